#!/bin/sh
# test/lib/packages.sh build|demo|check|bench|page...
#
# The one list of Debian packages, and the command that installs what is
# missing of it.  As root it installs; as anybody else it names what is missing
# in one sentence and fails.  Where there is no dpkg it leaves the job to the
# machine's owner and says nothing: the compiler will.
#
# No database cluster of the machine is created, started or restarted.
set -u

command -v dpkg-query >/dev/null || exit 0

# A server somebody built is named by PG_CONFIG; Debian's own is not wanted then.
own_server=
case ${PG_CONFIG:-pg_config} in
	pg_config | /usr/bin/pg_config | /usr/lib/postgresql/*) ;;
	*) own_server=yes ;;
esac

# Major version: of the PostgreSQL that is here, else the one Debian would bring.
major=$("${PG_CONFIG:-pg_config}" --version 2>/dev/null | sed 's/^PostgreSQL \([0-9]*\).*/\1/')
debian_major()
{
	[ -n "$major" ] ||
		major=$(apt-cache show postgresql 2>/dev/null | sed -n 's/^Version: \([0-9]*\).*/\1/p' | head -n 1)
	[ -n "$major" ] || major=15
}

packages()
{
	for group; do
		case $group in
			build)
				echo gcc make libc6-dev pkg-config libssl-dev libpcre2-dev libmicrohttpd-dev libgnutls28-dev libpq-dev
				[ -n "$own_server" ] || echo "postgresql-server-dev-$major"
				;;
			demo)
				packages build
				echo openssl curl
				[ -n "$own_server" ] || echo "postgresql-$major"
				;;
			check)
				packages demo page
				echo perl libipc-run-perl clang libclang-rt-dev python3
				;;
			bench)
				packages demo
				echo perl valgrind wrk
				;;
			rivals)
				[ -n "$own_server" ] || echo "postgresql-$major-tablelog postgresql-$major-periods"
				;;
			page)
				echo chromium chromium-driver
				;;
			*)
				echo "packages.sh: no group named \"$group\"" >&2
				exit 2
				;;
		esac
	done
}

missing()
{
	for p in $(packages "$@" | tr ' ' '\n' | sort -u); do
		case $(dpkg-query -W -f '${Status}' "$p" 2>/dev/null) in
			*" installed") ;;
			*) printf '%s ' "$p" ;;
		esac
	done
}

debian_major
packages "$@" >/dev/null || exit 2
todo=$(missing "$@")
[ -n "$todo" ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "These Debian packages are missing and only root can install them: ${todo% }." >&2
	exit 1
fi

log=$(mktemp) || exit 1
policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.d/audit_log.conf
made=
finish()
{
	# shellcheck disable=SC2086  # a list of words
	rm -f $made "$log"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

# The lists may be old, or never fetched; a failure shows in the install below.
echo "Installing: ${todo% }"
apt-get -q -o DPkg::Lock::Timeout=300 update >"$log" 2>&1
command -v pg_config >/dev/null || major=
debian_major
todo=$(missing "$@")

# A new server package makes a cluster, and starts every cluster of the
# machine, unless told otherwise; both files go again afterwards.
if [ ! -e "$cluster" ]; then
	mkdir -p "${cluster%/*}" && made="$made $cluster" &&
		echo "create_main_cluster = false" >"$cluster"
fi
if [ ! -e "$policy" ]; then
	made="$made $policy"
	printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
fi

# shellcheck disable=SC2086  # a list of words
if ! DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
	-o DPkg::Lock::Timeout=300 install $todo >>"$log" 2>&1 </dev/null; then
	tail -n 20 "$log" >&2
	echo "These Debian packages could not be installed: ${todo% }." >&2
	exit 1
fi
