# shellcheck shell=bash
#
# What test/check, test/demo and the like share: packages, a work directory with a copy of
# the tree and a PostgreSQL installation of its own, and leaving nothing behind.
#
# Nothing outside the work directory changes, but that missing Debian packages
# are installed.  PostgreSQL finds its files relative to its executable; so a copy
# of the executables, with links to the rest of the installation beside them, is
# an installation that the extension can be installed into without touching the
# machine's.  Several runs at the same time do not disturb one another.
#
# PostgreSQL refuses to run as root.  As root, everything in the work directory
# is done by user postgres, to whom it belongs; otherwise by whoever runs this.

set -euo pipefail

source_tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
work=					# the work directory, once there is one
tree=					# in it: the copy of the source tree
pg_bin=					# in it: the executables of PostgreSQL
pg_major=				# major version of PostgreSQL
running=				# process group of what run_logged has started
watchdog=				# and of what ends that when it takes too long
finishing=				# a function to call before the work directory goes

# Packages besides PostgreSQL's own; build-essential brings the sanitizers, and faketime the
# library by which a test sets the wall clock.  Where fuzzing is wanted, find_fuzzer adds what
# it needs.
packages=(build-essential libcurl4-openssl-dev libjansson-dev libmicrohttpd-dev libssl-dev
	zlib1g-dev libipc-run-perl libio-socket-ssl-perl perl curl openssl ca-certificates
	nghttp2-proxy nginx faketime)

die()
{
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

am_root()
{
	[ "$(id -u)" -eq 0 ]
}

# as_owner COMMAND …: in a clean environment, as the owner of the work directory.
# What repeats a test that draws at random, PROPERTY_…, gets through, and ENRICH_FRONT,
# by which the tests reach the mock another way.
as_owner()
{
	local identity=() variable chosen=()

	am_root && identity=(setpriv --reuid=postgres --regid=postgres --init-groups)
	for variable in "${!PROPERTY_@}" "${!ENRICH_FRONT@}"
	do
		chosen+=("$variable=${!variable}")
	done
	env -i "${identity[@]}" env PATH="$pg_bin:/usr/local/bin:/usr/bin:/bin" \
		HOME="$work" TMPDIR="$work/tmp" LANG=C.UTF-8 LC_ALL=C.UTF-8 "${chosen[@]}" "$@"
}

#
# Packages
#

# The PostgreSQL to use: PG_MAJOR, else the newest that extensions can be built
# for, else the release's own.
find_major()
{
	local pgxs

	pg_major=${PG_MAJOR:-}
	[ -z "$pg_major" ] || return 0
	pgxs=$(find /usr/lib/postgresql/*/lib/pgxs/src/makefiles/pgxs.mk 2>/dev/null |
		sort -V | tail -n 1) || true
	if [ -n "$pgxs" ]
	then
		pg_major=$(cut -d / -f 5 <<<"$pgxs")
	else
		need_package_lists 1
		pg_major=$(apt-cache depends postgresql | sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p')
		[ -n "$pg_major" ] || die "this release has no package postgresql"
	fi
}

# need_package_lists COUNT: sees to it that apt knows so many packages.
need_package_lists()
{
	command -v apt-cache >/dev/null || die "this needs Debian, for its packages"
	[ "$(known_packages)" -lt "$1" ] || return 0
	am_root || die "apt knows no packages yet: run this as root, or apt-get update first"
	echo "Fetching apt's package lists ..."
	apt-get -qq update
	[ "$(known_packages)" -ge "$1" ] || die "apt-get update brought no package lists"
}

known_packages()
{
	apt-cache dumpavail 2>/dev/null | grep -c '^Package:' || true
}

# libFuzzer, for the clang that PostgreSQL's development package brings along.
find_fuzzer()
{
	local version

	find_major
	version=$(clang_version)
	if [ -z "$version" ]
	then
		need_package_lists 1
		version=$(clang_version)
	fi
	[ -n "$version" ] || die "postgresql-server-dev-$pg_major comes without clang"
	packages+=("clang-$version" "libclang-rt-$version-dev")
}

clang_version()
{
	apt-cache depends "postgresql-server-dev-$pg_major" 2>/dev/null |
		sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p'
}

is_installed()
{
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_packages()
{
	local missing=() package

	command -v dpkg-query >/dev/null || die "this needs Debian, for its packages"
	find_major
	for package in "postgresql-$pg_major" "postgresql-server-dev-$pg_major" "${packages[@]}"
	do
		is_installed "$package" || missing+=("$package")
	done
	if [ ${#missing[@]} -gt 0 ]
	then
		am_root || die "packages are missing, and only root can install them: ${missing[*]}"
		need_package_lists 1000
	fi
	# not every release has pg_cron: its test is skipped without
	package=postgresql-$pg_major-cron
	if am_root && apt-cache show "$package" >/dev/null 2>&1 && ! is_installed "$package"
	then
		missing+=("$package")
	fi
	[ ${#missing[@]} -gt 0 ] || return 0
	echo "Installing ${missing[*]} ..."
	apt_install "${missing[@]}" || {
		# lists that are there may be out of date
		apt-get -qq update
		apt_install "${missing[@]}"
	}
}

# PostgreSQL's package would create a cluster and start it, nginx's a web server: see that
# they do not, and leave no trace of these settings.
apt_install()
{
	local conf=/etc/postgresql-common/createcluster.conf policy=/usr/sbin/policy-rc.d
	local saved status=0 ours=false

	[ -e "$policy" ] || {
		ours=true
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod +x "$policy"
	}
	if quiet_apt postgresql-common
	then
		saved=$(mktemp)
		cp -p "$conf" "$saved"
		echo 'create_main_cluster = false' >>"$conf"
		quiet_apt "$@" || status=1
		cp -p "$saved" "$conf"
		rm -f "$saved"
	else
		status=1
	fi
	! $ours || rm -f "$policy"
	return $status
}

quiet_apt()
{
	local log status=0

	log=$(mktemp)
	DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
		-o Dpkg::Use-Pty=0 install "$@" </dev/null >"$log" 2>&1 || status=1
	[ $status -eq 0 ] || tail -n 20 "$log" >&2
	rm -f "$log"
	return $status
}

#
# The work directory
#

make_work_directory()
{
	# /tmp in any case: the names of sockets must be short, and TMPDIR of root
	# may be closed to user postgres
	work=$(mktemp -d /tmp/pg_enrich.XXXXXX)
	tree=$work/tree
	mkdir "$tree" "$work/tmp" "$work/log"
	copy_tree
	chmod -R go+rX "$work"
	am_root && chown -R postgres: "$work"
	copy_postgres
}

# The sources, without what builds and tests have left there.  A file that is being
# edited meanwhile (tar's status 1) is no reason to stop.
copy_tree()
{
	{
		tar -C "$source_tree" --exclude-vcs --exclude='*.o' --exclude='*.d' --exclude='*.so' \
			--exclude='*.bc' --exclude='*.run' --exclude=./test/mock/mockapi \
			--exclude=./tmp_check --exclude=./results --exclude=./log \
			--warning=no-file-changed -cf - . || [ $? -eq 1 ]
	} | tar -C "$tree" --no-same-owner -xf -
}

# An installation of PostgreSQL in the work directory: see the head of this file.
copy_postgres()
{
	local original=/usr/lib/postgresql/$pg_major/bin/pg_config dir

	[ -x "$original" ] || die "$original is missing"
	pg_bin=$work$("$original" --bindir)
	for dir in "$("$original" --pkglibdir)" "$("$original" --sharedir)"
	do
		as_owner mkdir -p "$(dirname "$work$dir")"
		as_owner cp -as "$dir" "$work$dir"
	done
	as_owner cp -a "$("$original" --bindir)" "$pg_bin"
	as_owner ln -s "$("$original" --includedir | sed 's,/postgresql$,,')" "$work/usr/include"
	# whatever version of the extension the machine has is none of ours
	as_owner rm -rf "$("$pg_bin/pg_config" --pkglibdir)"/{,bitcode/}pg_enrich* \
		"$("$pg_bin/pg_config" --sharedir)"/extension/pg_enrich*
}

# in_tree TARGET|VARIABLE …: make, for the copied PostgreSQL.
in_tree()
{
	as_owner make -s -C "$tree" PG_CONFIG="$pg_bin/pg_config" with_llvm=no "$@"
}

# What the compiler is told to check assertions, where the server was built without: not from 18
# on, where headers then call what such a server lacks.
assertions()
{
	[ "$pg_major" -ge 18 ] || echo -DUSE_ASSERT_CHECKING
}

# build MAKE-ARGUMENT …: the extension, installed, and the mock API server.
build()
{
	quietly build in_tree -j "$(nproc)" all mock "$@"
	quietly install in_tree install "$@"
}

# soak ROUNDS [SEED]: what test/soak does, in the tree and server that were built.
soak()
{
	drive "$tree" soak SOAK_ROUNDS="$1" SOAK_SEED="${2:-}"
}

# drive TREE NAME VARIABLE=VALUE …: runs test/perl/NAME.pl of a tree, in a directory of that name.
drive()
{
	local dir=$1 name=$2 pgxs

	shift 2
	pgxs=$(dirname "$(dirname "$("$pg_bin/pg_config" --pgxs)")")
	ulimit -c 0
	as_owner mkdir -p "$work/$name/log"
	cd "$dir"
	as_owner env TESTDIR="$work/$name" TESTDATADIR="$work/$name" TESTLOGDIR="$work/$name/log" \
		PG_REGRESS="$pgxs/test/regress/pg_regress" "$@" \
		perl -I "$pgxs/test/perl" -I test/perl "test/perl/$name.pl"
}

# bench DIR OPTION …: what test/bench does, in the tree that was built, with its data in DIR.
bench()
{
	local dir=$1

	shift
	as_owner make -s -C "$tree/test/benchmarks"
	as_owner perl -I "$tree/test/benchmarks" "$tree/test/benchmarks/run.pl" \
		--dir "$dir" --bin "$pg_bin" --tree "$tree" "$@"
}

# quietly NAME COMMAND …: its output is shown only if it fails.
quietly()
{
	local log=$work/log/$1.log

	shift
	start_job "$log" "$@"
	if ! wait_job
	then
		tail -n 60 "$log" >&2
		die "failed: $*"
	fi
}

#
# Commands that can be interrupted
#
# Bash runs a trap only when its foreground command has ended, and what that has
# started need not end with it.  So commands run in the background, each in a
# process group of its own, and are waited for.
#

start_job()		# LOG COMMAND …
{
	local log=$1

	shift
	set -m
	"$@" </dev/null >"$log" 2>&1 &
	running=$!
	set +m
}

# The status of what start_job started.
wait_job()
{
	local status=0

	wait "$running" || status=$?
	running=
	return $status
}

# run_logged SECONDS LOG COMMAND …: shows what the command prints, and keeps it in
# LOG.  A command that takes longer is ended, and its status is then 124.
run_logged()
{
	local limit=$1 log=$2 follower status=0

	shift
	: >"$log"
	start_job "$@"
	tail -n +1 -s 0.2 -f --pid="$running" "$log" &
	follower=$!
	set -m
	(sleep "$limit" && : >"$log.late" && stop_running) &
	watchdog=$!
	set +m
	wait_job || status=$?
	stop_watchdog
	wait "$follower" 2>/dev/null || true
	[ ! -e "$log.late" ] || status=124
	return $status
}

#
# The end
#

# Ends what still runs in the work directory, by the process ids written there.
stop_servers()
{
	local file pid

	while read -r file
	do
		pid=$(head -n 1 "$file" 2>/dev/null) || continue
		[[ $(readlink "/proc/$pid/cwd" 2>/dev/null) != "$work"/* ]] ||
			kill -QUIT "$pid" 2>/dev/null || true
	done < <(find "$work" -name postmaster.pid 2>/dev/null)
}

stop_watchdog()
{
	[ -n "$watchdog" ] || return 0
	kill -- "-$watchdog" 2>/dev/null || true
	wait "$watchdog" 2>/dev/null || true
	watchdog=
}

stop_running()
{
	local tries

	[ -n "$running" ] || return 0
	kill -TERM -- "-$running" 2>/dev/null || true
	for ((tries = 0; tries < 100; tries++))
	do
		kill -0 -- "-$running" 2>/dev/null || return 0
		sleep 0.1
	done
	kill -KILL -- "-$running" 2>/dev/null || true
}

# Whatever way the script ends.
clean_up()
{
	local status=$?

	trap '' INT TERM HUP
	set +e
	stop_watchdog
	[ -z "$work" ] && exit $status
	stop_running
	[ -z "$finishing" ] || "$finishing"
	stop_servers
	rm -rf "$work" 2>/dev/null || { sleep 1; rm -rf "$work"; }
	exit $status
}

trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
