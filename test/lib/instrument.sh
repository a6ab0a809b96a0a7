# shellcheck shell=bash
#
# A server that is watched: by AddressSanitizer and UndefinedBehaviorSanitizer, or by
# valgrind.  For scripts that have made a work directory with lib/common.sh.
#
# Debian's PostgreSQL is not built for either, so only the extension is: its own
# memory (libcurl's, malloc's, the stack, globals) is watched closely, and what it
# does to PostgreSQL's memory as far as that comes from malloc in pieces of its own,
# as allocations of more than 8 kB do.
#
# The copied installation's "postgres" becomes a script that starts the real one with
# what watching needs.  So it is watched however it is started, and nothing else is:
# psql, initdb and the mock are as ever.

# The server's environment or command, as lines of shell that end with the words that
# the real postgres and its arguments are to follow.
wrap_postgres()				# LINE …
{
	local real=$pg_bin/postgres.real

	[ -e "$real" ] || as_owner mv "$pg_bin/postgres" "$real"
	{
		cat <<-'END'
			#!/bin/bash
			real=$(dirname "${BASH_SOURCE[0]}")/postgres.real
			case " $* " in
				*" --boot "* | *" --check "* | *" --single "* | *" -V "* | *" --version "* | \
				*" -C "*)
					exec -a "$0" "$real" "$@" ;;
			esac
		END
		printf '%s\n' "$@"
	} | as_owner tee "$pg_bin/postgres" >/dev/null
	as_owner chmod 755 "$pg_bin/postgres"
}

#
# Sanitizers
#

sanitizer_log=				# its directory; a file for each process that has something to say

# The extension, in the tree as it is, and installed.
build_with_sanitizers()
{
	quietly clean in_tree clean
	build WERROR=-Werror \
		COPT="$(assertions) -O1 -fno-omit-frame-pointer -fsanitize=address,undefined"
}

# A library that makes AddressSanitizer set itself up before any other library does
# anything.  It would do so at the first malloc, which may be one that glibc makes
# while it holds its lock on message catalogs (libgpg-error binds one when loaded);
# setting up looks for functions that are not there, whose error message is looked up
# in those catalogs; and then the lock is never free again.
make_early_library()		# FILE
{
	as_owner gcc -shared -fPIC -fno-builtin -Wl,-z,initfirst -x c -o "$1" - <<-'END'
		#include <stdlib.h>

		__attribute__((constructor)) static void
		early(void)
		{
			free(malloc(1));
		}
	END
}

# From now on the server runs under sanitizers; AddressSanitizer writes into a directory.
#
# detect_leaks: a backend frees nothing when it ends.  detect_stack_use_after_return:
# would move locals from the stack to where PostgreSQL's check of its depth sees them
# far away, and PG_TRY jumps over them.  abort_on_error: a crash, as any other, so that
# no test can pass in spite of it.
#
# UndefinedBehaviorSanitizer has no options: it looks for them when there is something
# to say, and by then the server has written its title over its environment.  It
# writes to the server's log, and lets it go on.
with_sanitizers()			# DIRECTORY
{
	local early=$work/early.so libraries
	local options=detect_leaks=0:detect_stack_use_after_return=0:abort_on_error=1

	libraries="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so) $early"
	sanitizer_log=$1
	as_owner mkdir -p "$1"
	make_early_library "$early"
	wrap_postgres \
		"export LD_PRELOAD='$libraries'" \
		"export ASAN_OPTIONS=$options:log_path=$1/asan" \
		'exec -a "$0" "$real" "$@"'
}

# A command's status; not 0 either if a sanitizer wrote anything, which is shown.  The
# servers' logs are below LOGS.
sanitized()				# LOGS COMMAND …
{
	local logs=$1 status=0 file undefined
	local pattern='^[^ ]+\.[ch]:[0-9]+:[0-9]+: runtime error: '

	shift
	"$@" || status=$?
	for file in "$sanitizer_log"/*
	do
		[ -e "$file" ] || continue
		[ $status -ne 0 ] || status=1
		printf '\n-- %s:\n' "$(basename "$file")"
		head -n 60 "$file"
	done
	undefined=$(grep -rhE --include='*.log' "$pattern" "$logs" | sort -u) || true
	[ -z "$undefined" ] || { printf '\n%s\n' "$undefined"; [ $status -ne 0 ] || status=1; }
	return $status
}
