# shellcheck shell=sh
# test/lib/server.sh, sourced: a throw-away place to work in, and servers there.
#
# After work_begin:
#   $work       temporary folder, mode 700, owned by the unprivileged user
#   $work/root  what "make install DESTDIR=" put there
#   $bindir     programs of the PostgreSQL that is tested
# Everything in $work, running servers included, goes away with the script.
#
# PostgreSQL refuses to run as root, so root's servers and suites run as
# "nobody".  The source tree may be out of that user's reach: whatever it needs
# is copied to $work.

PG_CONFIG=${PG_CONFIG:-pg_config}
user=nobody

# Nothing in the caller's environment may point at another server.
for v in $(env | sed -n 's/^\(PG[A-Z]*\)=.*/\1/p'); do unset "$v"; done
unset LC_ALL LANGUAGE TEMP_CONFIG
export LANG=C.UTF-8
umask 022

is_root()
{
	[ "$(id -u)" = 0 ]
}

# as_user COMMAND...: run it as the unprivileged user, which is us unless root
as_user()
{
	if is_root; then
		setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups \
			env HOME="$work" TMPDIR="$work/tmp" USER="$user" LOGNAME="$user" "$@"
	else
		env TMPDIR="$work/tmp" "$@"
	fi
}

work_begin()
{
	work=
	trap work_end EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	# Short, because the names of unix sockets are limited to 107 bytes.
	work=$(mktemp -d /tmp/audit_log.XXXXXX) || exit 1
	mkdir "$work/tmp" "$work/root" "$work/log" || exit 1
	own_work
}

own_work()
{
	! is_root || chown -R "$user:$(id -g "$user")" "$work"
}

# A script that sets "keep" leaves its work, and the server in it, behind.
work_end()
{
	status=$?
	trap - EXIT
	trap '' HUP INT TERM
	if [ -z "${keep-}" ] && [ -n "$work" ] && [ -d "$work" ]; then
		cd / || exit 1
		[ -z "${frontend-}" ] || kill "$frontend" 2>/dev/null
		for group in ${lanes-}; do
			kill -TERM -- "-$group" 2>/dev/null
		done
		find "$work" -name postmaster.pid | while read -r pidfile; do
			as_user "$bindir/pg_ctl" -D "${pidfile%/*}" -m immediate -s stop \
				>/dev/null 2>&1
		done
		rm -rf "$work"
	fi
	exit "$status"
}

# build_into_work: build in the source tree and install to $work/root; COPT is
# passed on.  Output goes to $work/log/build.
build_into_work()
{
	bindir=$("$PG_CONFIG" --bindir) || return 1
	make -s -j"$(nproc)" install DESTDIR="$work/root" PG_CONFIG="$PG_CONFIG" \
		${COPT:+COPT="$COPT"} >"$work/log/build" 2>&1 || return 1
	own_work
}

# extension_conf: the settings with which a server finds $work/root
extension_conf()
{
	libdir=$work/root$("$PG_CONFIG" --pkglibdir)
	settings=$("$bindir/postgres" --describe-config | cut -f 1)
	case " $(echo "$settings" | tr '\n' ' ') " in
		*" extension_control_path "*)
			echo "extension_control_path = '$work/root$("$PG_CONFIG" --sharedir):\$system'"
			;;
		*" extension_destdir "*)
			echo "extension_destdir = '$work/root'"
			;;
		*)
			echo "This server can only use an extension that is installed: run make install, then make installcheck." >&2
			return 1
			;;
	esac
	echo "dynamic_library_path = '$libdir:\$libdir'"
}

# server_start [FILE]: a server in $work/data, with the settings in FILE, reached
# with $PGHOST and $PGPORT. It has a socket of its own and no TCP port, so the
# port number cannot collide.
server_start()
{
	export PGHOST="$work" PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
	as_user "$bindir/initdb" -D "$work/data" -U postgres -A trust -E UTF8 \
		--locale=C.UTF-8 --no-sync >"$work/log/initdb" 2>&1 ||
		{ cat "$work/log/initdb" >&2; return 1; }
	{
		extension_conf || return 1
		echo "listen_addresses = ''"
		echo "unix_socket_directories = '$work'"
		echo "fsync = off"
		[ -z "${1-}" ] || cat "$1"
	} >>"$work/data/postgresql.conf"
	(cd "$work" && as_user "$bindir/pg_ctl" -D "$work/data" -l "$work/log/server" \
		-s -w start) || { cat "$work/log/server" >&2; return 1; }
}
