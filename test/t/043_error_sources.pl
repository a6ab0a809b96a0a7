# The functions of PostgreSQL by whose names errors are known are still called so.

use strict;
use warnings;

use EnrichTest;
use FindBin;
use Test::More;

my $t = EnrichTest->new(mock => 0);
my $source = "$FindBin::Bin/../../src/common/error_source.c";

$t->sql(<<'END');
CREATE ROLE guest;
CREATE TABLE guarded (i integer);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY none ON guarded USING (true) WITH CHECK (false);
GRANT ALL ON guarded TO guest;
END

# What raises the error that error_source.c looks for.
my %statement = (
	CANCEL => 'SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(60)',
	POLICY => 'SET ROLE guest; INSERT INTO guarded VALUES (1)',
	MISPLACED_AGGREGATE => 'SELECT 1 WHERE CASE WHEN true THEN max(1) END IS NULL',
	MISPLACED_WINDOW => 'SELECT 1 WHERE CASE WHEN true THEN row_number() OVER () END IS NULL',
	MISPLACED_SET => 'SELECT 1 WHERE CASE WHEN true THEN generate_series(1, 2) END IS NULL');

# The function in which a statement's error is raised, as psql shows it.
sub raised_in
{
	my ($sql) = @_;
	my ($status, $out, $error) = $t->node->psql('postgres', "\\set VERBOSITY verbose\n$sql");

	return $error =~ /^(?:psql:[^\n]*)?LOCATION:\s+(\w+),/m ? $1 : $error;
}

open my $in, '<', $source or die "could not open $source: $!";
my %expected = map { /^#define RAISES_(\w+) "(\w+)"/ ? ($1 => $2) : () } <$in>;
close $in;

is(join(' ', sort keys %expected), join(' ', sort keys %statement), 'all that are depended upon are tried');
foreach my $what (sort keys %expected)
{
	is(raised_in($statement{$what}), $expected{$what}, "$what is raised where error_source.c looks for it");
}

$t->stop;
done_testing();
