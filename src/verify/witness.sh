# src/verify/witness.sh
#
# audit_log_witness: keeps the last checkpoint of a ledger out of reach of the
# server that it is about. Each call gets the current one, and replaces the
# one that it kept only if a key that is trusted signed it and the ledger has
# only grown since.
#
# It runs on another machine, from a scheduler, and needs psql, openssl and
# coreutils.

me=audit_log_witness

usage()
{
	cat <<USAGE
$me keeps the last checkpoint of an audit ledger, and refuses another history.

Usage: $me -k KEY [-k KEY]... -d FOLDER [-s PRIVATE -n NAME [-a]] [CONNINFO]
       $me -s PRIVATE -n NAME -p

  -k KEY       public key of checkpoints: name+id+key, or a file with that or with
               PEM; each key must have signed
  -d FOLDER    where the checkpoint is kept, in a file "checkpoint"; what is refused
               is kept beside it as "refused"
  -s PRIVATE   Ed25519 private key, PEM: sign the checkpoint as a witness, and print
               the signature line
  -n NAME      name of the witness in that line
  -a           add the line to the ledger as well, with audit.add_signature()
  -p           print the witness' public key for audit.add_ledger_key() and exit
  CONNINFO     as psql takes it; the role must be in audit_log_reader

Exit status: 0 kept, 1 refused, 2 it could not be tried.
USAGE
}

# ask_bytes STATEMENT: its one value, a bytea, goes to $work/answer
ask_bytes()
{
	answer=$(psql -XAtqw -v ON_ERROR_STOP=1 -d "$conninfo" \
		-c "SELECT pg_catalog.translate(pg_catalog.encode(($1), 'base64'), E'\\n', '')") ||
		stop 'the server did not answer'
	decode "$answer" >"$work/answer"
}

# ask STATEMENT: its one value, text as signed notes are made of, or null
ask()
{
	ask_bytes "SELECT audit.note_bytes(($1))"
}

# refuse REASON: keeps what was refused, which may be evidence
refuse()
{
	cp "$work/new" "$folder/refused" || stop "cannot write to \"$folder\""
	fail "$* (kept as \"$folder/refused\")"
}

check_growth()
{
	new_origin=$origin new_size=$size new_root=$root
	check_checkpoint "$folder/checkpoint" 'the checkpoint that was kept'
	old_origin=$origin old_size=$size old_root=$root
	origin=$new_origin size=$new_size root=$new_root
	[ "$old_origin" = "$origin" ] ||
		refuse "the ledger has another origin now, \"$origin\" instead of \"$old_origin\": a new generation was begun, or it is another ledger. If that is meant, move \"$folder/checkpoint\" away"
	[ "$size" -ge "$old_size" ] ||
		refuse "the ledger has $size leaves and had $old_size: it was rolled back"
	set --
	if [ "$size" -gt "$old_size" ] && [ "$old_size" -gt 0 ]; then
		ask "SELECT audit.consistency_proof($old_size, $size)"
		while IFS= read -r line; do
			is_hash "$line" || refuse 'the consistency proof cannot be read'
			set -- "$@" "$line"
		done <"$work/answer"
	fi
	is_continued "$old_size" "$old_root" "$size" "$root" "$@" ||
		refuse "the ledger of $size leaves does not continue the one of $old_size leaves that was kept: it was forked or rewritten"
}

# Writes our public key as DER, and sets verifier.
load_witness_key()
{
	openssl pkey -in "$private" -pubout -outform DER -out "$work/witness.der" 2>/dev/null &&
		[ "$(first_bytes 12 <"$work/witness.der")" = 302a300506032b6570032100 ] ||
		stop "\"$private\" does not hold an Ed25519 private key"
	case $name_of_witness in
		'' | *[!!-~]* | *[+\'\\]*) stop 'the name of the witness may hold visible ASCII characters but plus signs, quotes and backslashes' ;;
	esac
	{
		printf '%s\n\001' "$name_of_witness"
		tail -c 32 "$work/witness.der"
	} | openssl dgst -sha256 -binary | head -c 4 >"$work/witness.id"
	verifier=$name_of_witness+$(first_bytes 4 <"$work/witness.id")+$(
		{
			printf '\001'
			tail -c 32 "$work/witness.der"
		} | openssl base64 -A
	)
}

# Signs $work/text, the checkpoint without its signatures; sets line.
sign()
{
	openssl pkeyutl -sign -inkey "$private" -rawin -in "$work/text" -out "$work/signature" ||
		stop 'openssl could not sign'
	line="$dash $name_of_witness $(cat "$work/witness.id" "$work/signature" | openssl base64 -A)"
}

keep()
{
	cp "$1" "$folder/checkpoint.new" && sync -f "$folder/checkpoint.new" 2>/dev/null
	mv "$folder/checkpoint.new" "$folder/checkpoint" || stop "cannot write to \"$folder\""
}

begin_work
folder='' private='' name_of_witness='' add=no print=no
while getopts k:d:s:n:aph option; do
	case $option in
		k) add_key "$OPTARG" ;;
		d) folder=$OPTARG ;;
		s) private=$OPTARG ;;
		n) name_of_witness=$OPTARG ;;
		a) add=yes ;;
		p) print=yes ;;
		h)
			usage
			exit 0
			;;
		*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ -z "$private" ] || load_witness_key
if [ $print = yes ]; then
	[ -n "$private" ] || stop 'no -s was given'
	printf '%s\n' "$verifier"
	exit 0
fi
[ $# -le 1 ] && [ -n "$folder" ] && [ $keys -gt 0 ] || {
	usage >&2
	exit 2
}
conninfo=${1-}
[ -n "$conninfo" ] || conninfo="dbname=${PGDATABASE:-${PGUSER:-$(id -un)}}"
command -v psql >/dev/null || stop 'psql is missing'
mkdir -p "$folder" || stop "cannot make \"$folder\""

ask 'SELECT audit.checkpoint()'
cp "$work/answer" "$work/new"
check_checkpoint "$work/new" 'the checkpoint'
if [ -f "$folder/checkpoint" ]; then
	check_growth
else
	printf '%s: first checkpoint of "%s"; from now on it may only grow\n' "$me" "$origin" >&2
fi
cp "$work/new" "$work/kept"
if [ -n "$private" ]; then
	printf '%s\n%s\n%s\n' "$origin" "$size" "$root" >"$work/text"
	sign
	printf '%s\n' "$line"
	printf '%s\n' "$line" >>"$work/kept"
	if [ $add = yes ]; then
		# without the dash, which not every database can be told
		ask "SELECT audit.add_signature('${line#"$dash "}')::text"
	fi
fi
keep "$work/kept"
printf '%s: kept the checkpoint of "%s", %s leaves\n' "$me" "$origin" "$size" >&2
