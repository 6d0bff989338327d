# src/verify/lib.sh
#
# What the two scripts share: signed notes and the tree of RFC 6962, in plain
# sh with openssl and coreutils. The Makefile puts it in front of each script,
# so that an installed script is one file that can be carried anywhere.
#
# Hashes are base64, as they stand in checkpoints and proofs. Every byte of a
# text is looked at: what is not part of a known form is refused.

LC_ALL=C
export LC_ALL
umask 077
unset IFS
set -f

fail()
{
	printf '%s: %s\n' "$me" "$*" >&2
	exit 1
}

# The command line or this machine is at fault, nothing was verified.
stop()
{
	printf '%s: %s\n' "$me" "$*" >&2
	exit 2
}

begin_work()
{
	command -v openssl >/dev/null || stop 'openssl is missing'
	work=$(mktemp -d) || stop 'no temporary folder'
	trap 'rm -rf "$work"' EXIT
	trap 'exit 2' HUP INT TERM
	keys=0
}

newline='
'
dash=$(printf '\342\200\224')

# ----------------------------------------------------------------- base64

decode()
{
	printf '%s' "$1" | openssl base64 -d -A
}

digest()
{
	openssl dgst -sha256 -binary | openssl base64 -A
}

# is_base64 TEXT: one spelling only; the bytes are in $work/decoded then
is_base64()
{
	case $1 in
		'' | *[!A-Za-z0-9+/=]*) return 1 ;;
	esac
	decode "$1" >"$work/decoded" 2>/dev/null &&
		[ "$(openssl base64 -A <"$work/decoded")" = "$1" ]
}

is_hash()
{
	[ ${#1} -eq 44 ] || return 1
	case $1 in
		*=) ;;
		*) return 1 ;;
	esac
	case ${1%=} in
		*[!A-Za-z0-9+/]*) return 1 ;;
		# 256 bits end in the middle of a character
		*[AEIMQUYcgkosw048]) return 0 ;;
	esac
	return 1
}

is_number()
{
	case $1 in
		'' | *[!0-9]* | 0?*) return 1 ;;
	esac
	[ ${#1} -le 18 ]
}

# has_length FILE BYTES: a shell loses zero bytes and the end of a last line,
# so what it has read must be as long as the file
has_length()
{
	[ "$(wc -c <"$1")" -eq "$2" ]
}

# first_bytes NUMBER: of standard input, in hex
first_bytes()
{
	# shellcheck disable=SC2046 # split on purpose
	set -- $(od -An -v -tx1 -N"$1")
	IFS=
	printf '%s' "$*"
	unset IFS
}

# ------------------------------------------------------------------- keys

# add_key KEY: name+id+key, or a file with that or with PEM; of the first kind
# are Ed25519 keys (C2SP signed-note) and RSA keys (Sigstore Rekor)
add_key()
{
	n=$((keys + 1))
	text=$1
	if [ -f "$1" ]; then
		text=$(cat "$1") || stop "cannot read \"$1\""
	fi
	eval "key_name_$n="
	case $text in
		*-----BEGIN*)
			openssl pkey -pubin -in "$1" -outform DER -out "$work/key$n.der" 2>/dev/null ||
				stop "\"$1\" does not hold a public key"
			;;
		*+*+*)
			is_base64 "${text#*+*+}" || stop "\"$1\" is not a key of a signed note"
			eval "key_name_$n=\${text%%+*}"
			case $(first_bytes 1 <"$work/decoded") in
				01)
					printf '\060\052\060\005\006\003\053\145\160\003\041\000'
					tail -c +2 "$work/decoded"
					;;
				ff) tail -c +21 "$work/decoded" ;; # PKIX-RSA-PKCS#1v1.5
			esac >"$work/key$n.der"
			;;
		*) stop "\"$1\" is neither a key nor a file with one" ;;
	esac
	openssl pkey -pubin -inform DER -in "$work/key$n.der" -out "$work/key$n.pem" 2>/dev/null ||
		stop "\"$1\" does not hold a public key"
	eval "key_shown_$n=\$1"
	case $(first_bytes 12 <"$work/key$n.der") in
		302a300506032b6570032100) eval "key_kind_$n=Ed25519" ;;
		*) eval "key_kind_$n=RSA" ;;
	esac
	keys=$n
}

# find_id NUMBER NAME: sets key_id, which a signature line of that key begins
# with
find_id()
{
	eval "known=\${key_named_$1-} key_id=\${key_id_$1-} kind=\$key_kind_$1"
	[ "$known" != "$2" ] || return 0
	key_id=$({
		if [ "$kind" = Ed25519 ]; then
			printf '%s\n\001' "$2"
			tail -c 32 "$work/key$1.der"
		else
			printf '%s\n\377PKIX-RSA-PKCS#1v1.5' "$2"
			cat "$work/key$1.der"
		fi
	} | openssl dgst -sha256 -binary | first_bytes 4)
	eval "key_named_$1=\$2 key_id_$1=\$key_id"
}

# signature_fits NUMBER: $work/signature over $work/text
signature_fits()
{
	eval "kind=\$key_kind_$1"
	if [ "$kind" = Ed25519 ]; then
		openssl pkeyutl -verify -pubin -inkey "$work/key$1.pem" -rawin \
			-in "$work/text" -sigfile "$work/signature" >/dev/null 2>&1
	else
		openssl dgst -sha256 -verify "$work/key$1.pem" \
			-signature "$work/signature" "$work/text" >/dev/null 2>&1
	fi
}

# ------------------------------------------------------------ checkpoints

# check_line LINE WHAT: a signature line, by one of the keys or by another
check_line()
{
	case $1 in
		"$dash "?*' '?*) ;;
		*) fail "$2 has a line that is no signature" ;;
	esac
	name=${1#"$dash "}
	signature=${name#* }
	name=${name%% *}
	is_base64 "$signature" || fail "$2 has a signature of \"$name\" that cannot be read"
	id=$(first_bytes 4 <"$work/decoded")
	tail -c +5 "$work/decoded" >"$work/signature"
	key=0
	while [ $key -lt $keys ]; do
		key=$((key + 1))
		eval "own=\$key_name_$key"
		[ "$name" = "$origin" ] || [ "$name" = "$own" ] || continue
		find_id $key "$name"
		[ "$key_id" = "$id" ] || continue
		signature_fits $key || fail "the signature of \"$name\" does not fit $2"
		eval "key_signed_$key=yes"
		signers="$signers $name"
		return
	done
	others=$((others + 1))
}

# check_checkpoint FILE WHAT: sets origin, size and root, once every key has
# been seen to sign it.
check_checkpoint()
{
	[ -f "$1" ] || stop "there is no file \"$1\""
	origin='' size='' root='' signers='' others=0 lines=0 bytes=0 part=text
	key=0
	while [ $key -lt $keys ]; do
		key=$((key + 1))
		eval "key_signed_$key=no"
	done
	: >"$work/text"
	: >"$work/lines"
	while IFS= read -r line; do
		bytes=$((bytes + ${#line} + 1))
		# what is shown of it must not act on a terminal
		case $line in
			*[[:cntrl:]]*) fail "$2 holds control characters" ;;
		esac
		if [ $part = signatures ] && [ -n "$line" ]; then
			printf '%s\n' "$line" >>"$work/lines"
			continue
		fi
		# psql ends its output with one more newline
		case $part:$line in
			signatures:)
				part=end
				continue
				;;
			end:*) fail "$2 goes on behind its signatures" ;;
		esac
		if [ -z "$line" ]; then
			part=signatures
			continue
		fi
		printf '%s\n' "$line" >>"$work/text"
		lines=$((lines + 1))
		case $lines in
			1) origin=$line ;;
			2) size=$line ;;
			3) root=$line ;;
		esac
	done <"$1"
	has_length "$1" $bytes || fail "$2 is not a text in whole lines"
	[ -n "$origin" ] && is_number "$size" && is_hash "$root" && [ $part != text ] ||
		fail "$2 is not a checkpoint"
	while IFS= read -r line; do
		check_line "$line" "$2"
	done <"$work/lines"
	key=0
	while [ $key -lt $keys ]; do
		key=$((key + 1))
		eval "signed=\$key_signed_$key shown=\$key_shown_$key"
		[ "$signed" = yes ] || fail "$2 is not signed by the key \"$shown\""
	done
}

# ----------------------------------------------------------------- proofs

node()
{
	{
		printf '\001'
		decode "$1"
		decode "$2"
	} | digest
}

# root_of INDEX SIZE LEAF_HASH HASH...: RFC 9162, 2.1.3.2
root_of()
{
	fn=$1 sn=$(($2 - 1)) r=$3
	shift 3
	for p; do
		[ $sn -ne 0 ] || return 1
		if [ $((fn & 1)) -eq 1 ] || [ $fn -eq $sn ]; then
			r=$(node "$p" "$r")
			while [ $((fn & 1)) -eq 0 ] && [ $fn -ne 0 ]; do
				fn=$((fn >> 1)) sn=$((sn >> 1))
			done
		else
			r=$(node "$r" "$p")
		fi
		fn=$((fn >> 1)) sn=$((sn >> 1))
	done
	[ $sn -eq 0 ] && printf '%s' "$r"
}

# is_continued OLD_SIZE OLD_ROOT SIZE ROOT HASH...: RFC 9162, 2.1.4.2
is_continued()
{
	old_size=$1 old_root=$2 new_size=$3 new_root=$4
	shift 4
	if [ "$old_size" -eq "$new_size" ]; then
		[ "$old_root" = "$new_root" ] && [ $# -eq 0 ]
		return
	fi
	if [ "$old_size" -eq 0 ]; then
		[ $# -eq 0 ]
		return
	fi
	[ "$old_size" -lt "$new_size" ] || return 1
	[ $((old_size & (old_size - 1))) -ne 0 ] || set -- "$old_root" "$@"
	[ $# -gt 0 ] || return 1
	fn=$((old_size - 1)) sn=$((new_size - 1)) fr=$1 sr=$1
	shift
	while [ $((fn & 1)) -eq 1 ]; do
		fn=$((fn >> 1)) sn=$((sn >> 1))
	done
	for c; do
		[ $sn -ne 0 ] || return 1
		if [ $((fn & 1)) -eq 1 ] || [ $fn -eq $sn ]; then
			fr=$(node "$c" "$fr") sr=$(node "$c" "$sr")
			while [ $((fn & 1)) -eq 0 ] && [ $fn -ne 0 ]; do
				fn=$((fn >> 1)) sn=$((sn >> 1))
			done
		else
			sr=$(node "$sr" "$c")
		fi
		fn=$((fn >> 1)) sn=$((sn >> 1))
	done
	[ "$fr" = "$old_root" ] && [ "$sr" = "$new_root" ] && [ $sn -eq 0 ]
}
