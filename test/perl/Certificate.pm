
=head1 NAME

Certificate - a certificate for 127.0.0.1 that signs itself: its own authority

=cut

package Certificate;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Utils;

our @EXPORT_OK = qw(make_certificate);

=head2 make_certificate($dir)

Makes one with its key in that directory, and returns both files' names.

=cut

sub make_certificate
{
	my ($dir) = @_;
	my ($certificate, $key) = ("$dir/cert.pem", "$dir/key.pem");

	system_or_bail('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', 2,
		'-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1',
		'-keyout', $key, '-out', $certificate);
	return ($certificate, $key);
}

1;
