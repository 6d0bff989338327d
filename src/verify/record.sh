# src/verify/record.sh
#
# audit_log_verify_record: is this record in the ledger? It takes the record's
# JSON, its proof and the public key, and needs sh, openssl and coreutils:
# neither a server nor anything else of audit_log.
#
# The leaf that the record makes is computed as src/core/merkle.c and
# src/backend/leaf.c say. The record's strings are used as they are written,
# since a record has one spelling only, that of audit.record().

me=audit_log_verify_record

usage()
{
	cat <<USAGE
$me verifies that a record of the audit log is in a signed checkpoint.

Usage: $me -k KEY [-k KEY]... RECORD PROOF [CHECKPOINT]

  KEY         public key of checkpoints: name+id+key, or a file with that or with
              PEM; each key must have signed
  RECORD      file with the JSON of one record, or with its line of audit.export()
  PROOF       file with what audit.inclusion_proof() returned (C2SP tlog-proof)
  CHECKPOINT  a checkpoint that you kept, of the size that the proof is for

Exit status: 0 verified, 1 not, 2 it could not be tried.
USAGE
}

object_keys='application_name client_ip dao_name db_role db_user entity entity_key key_id old_values operation partition_name rbac_user_id rbac_user_name removed_from_entity request_id request_source schema_name signature workspace'
request_keys='client_ip db_user duration_ms key_id method path payload rbac_user_id rbac_user_name removed_from_payload request_id request_source signature status user_agent workspace'

# ------------------------------------------------------------------ proof

# Sets index, hashes, expire, txid and salt; the checkpoint is in $work/note.
read_proof()
{
	[ -f "$1" ] || stop "there is no file \"$1\""
	index='' hashes='' extra='' lines=0 bytes=0 part=head
	: >"$work/note"
	while IFS= read -r line; do
		bytes=$((bytes + ${#line} + 1))
		lines=$((lines + 1))
		case $part:$lines:$line in
			note:*) printf '%s\n' "$line" >>"$work/note" ;;
			head:1:c2sp.org/tlog-proof@v1) ;;
			head:2:'extra '*) extra=${line#extra } ;;
			head:[23]:'index '*) index=${line#index } part=hashes ;;
			hashes:*:) part=note ;;
			hashes:*)
				is_hash "$line" || fail 'the proof has a hash that cannot be read'
				hashes="$hashes $line"
				;;
			*) fail 'the proof is not one: it must begin with c2sp.org/tlog-proof@v1' ;;
		esac
	done <"$1"
	has_length "$1" $bytes || fail 'the proof is not a text in whole lines'
	is_number "$index" && [ $part = note ] || fail 'the proof is not complete'
	is_base64 "$extra" || fail 'the proof has no extra data: it must be from audit.inclusion_proof()'
	read_extra
}

read_extra()
{
	{
		IFS= read -r version
		IFS= read -r expire
		IFS= read -r txid
		IFS= read -r salt
	} <"$work/decoded"
	bytes=$((${#version} + ${#expire} + ${#txid} + ${#salt} + 4))
	has_length "$work/decoded" $bytes && [ "$version" = audit_log/leaf/v1 ] ||
		fail 'the extra data of the proof cannot be read'
	[ "$salt" != - ] || fail 'the record was gone already when the proof was made'
	[ "$expire" = - ] || is_number "$expire" || fail 'the expiry in the proof cannot be read'
	is_number "$txid" || fail 'the transaction in the proof cannot be read'
	is_base64 "$salt" && has_length "$work/decoded" 16 ||
		fail 'the salt in the proof cannot be read'
}

# ----------------------------------------------------------------- record

bad_record()
{
	fail "the record is not JSON as audit.record() writes it: $*"
}

# begin_value KEY: a member that is known comes once
begin_value()
{
	case " $object_keys $request_keys id txid occurred_at request_timestamp ttl " in
		*" $1 "*) ;;
		*) bad_record "a member \"$1\" is not known" ;;
	esac
	case " $seen " in
		*" $1 "*) bad_record "the member \"$1\" comes twice" ;;
	esac
	seen="$seen $1"
}

# scalar KEY TEXT: null or a number
scalar()
{
	begin_value "$1"
	case $2 in
		null) ;;
		'' | *[!0-9.-]*) bad_record "the member \"$1\" has no value" ;;
	esac
	eval "kind_$1=scalar value_$1=\$2"
}

# continues PIECE: does it end in a backslash that escapes the quote after it?
continues()
{
	piece=$1
	odd=1
	while :; do
		case $piece in
			*\\) piece=${piece%\\} odd=$((1 - odd)) ;;
			*) return $odd ;;
		esac
	done
}

# between TEXT: what stands between two strings; sets what the next one is
between()
{
	case $next:$1 in
		start:'{') next=key ;;
		value:':') next=string ;;
		value:':'*',')
			text=${1#:}
			scalar "$member" "${text%,}"
			next=key
			;;
		value:':'*'}')
			text=${1#:}
			scalar "$member" "${text%\}}"
			next=end
			;;
		string:',') next=key ;;
		string:'}') next=end ;;
		*) bad_record 'something stands where it should not' ;;
	esac
}

# string_piece TEXT: a string up to a quote, which ends it unless it is
# escaped; one of many pieces goes to a file, because variables grow slowly
string_piece()
{
	if continues "$1"; then
		[ $pieces -gt 0 ] || exec 3>"$work/value.$member"
		printf '%s"' "$1" >&3
		pieces=$((pieces + 1))
		return
	fi
	inside=no
	if [ $pieces -eq 0 ]; then
		eval "kind_$member=string value_$member=\$1"
		return
	fi
	printf '%s' "$1" >&3
	exec 3>&-
	eval "kind_$member=long value_$member="
}

# Takes the record apart, at the quotes: one pass, whatever its size.
read_record()
{
	seen='' next=start inside=no member=''
	IFS='"'
	# shellcheck disable=SC2086 # split on purpose
	set -- $1
	unset IFS
	for part; do
		case $inside:$next in
			*:end) bad_record 'something follows it' ;;
			no:*)
				between "$part"
				inside=yes
				if [ "$next" = string ]; then
					begin_value "$member"
					pieces=0
				fi
				;;
			yes:key)
				case $part in
					'' | *[!a-z_]*) bad_record 'a key is not known' ;;
				esac
				member=$part
				next=value inside=no
				;;
			*) string_piece "$part" ;;
		esac
	done
	[ "$next" = end ] || bad_record 'it ends too early'
}

# load KEY: sets value and kind of a member that must be there
load()
{
	case " $seen " in
		*" $1 "*) eval "value=\$value_$1 kind=\$kind_$1" ;;
		*) bad_record "the member \"$1\" is missing" ;;
	esac
}

# --------------------------------------------------------------- the leaf

# seconds_of TIME: ISO 8601 to seconds since 1970
seconds_of()
{
	date=${1%T*} time=${1#*T}
	y=${date%%-*} m=${date#*-} d=${date##*-}
	m=${m%-*}
	hour=${time%%:*} minute=${time#*:} second=${time##*:}
	minute=${minute%:*} second=${second%.*}
	y=$((${y#"${y%%[!0]*}"})) m=${m#0} d=${d#0} hour=${hour#0} minute=${minute#0} second=${second#0}
	if [ "$m" -le 2 ]; then
		y=$((y - 1)) m=$((m + 9))
	else
		m=$((m - 3))
	fi
	days=$((365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + d - 1 - 719468))
	printf '%s' $((days * 86400 + hour * 3600 + minute * 60 + second))
}

# Members that are not hashed must agree with those that are. Only ttl says
# nothing that could be compared: it is what was left when it was read.
check_rest()
{
	load id
	id=$value
	case $kind:$id in
		*:*[!0-9a-f-]*) bad_record 'its id is not a UUID' ;;
		string:????????-????-????-????-????????????) ;;
		*) bad_record 'its id is not a UUID' ;;
	esac
	load occurred_at
	occurred_at=$value
	case $kind:$occurred_at in
		string:[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z) ;;
		*) bad_record 'occurred_at is not a time' ;;
	esac
	load request_timestamp
	[ "$kind:$value" = "scalar:$(seconds_of "$occurred_at")" ] ||
		fail 'the record was changed: request_timestamp is not the second of occurred_at'
	load ttl
	case $kind:$expire:$value in
		scalar:-:null) ;;
		scalar:-:*) fail 'the record was changed: it never expires, and has a ttl' ;;
		scalar:*:null) fail 'the record was changed: it expires, and has no ttl' ;;
		scalar:*:*[!0-9-]* | scalar:*: | [!s]*:* | string:*) bad_record 'ttl is not a number' ;;
	esac
	if [ $stream = objects ]; then
		load txid
		[ "$kind:$value" = "scalar:$txid" ] ||
			fail 'the record was changed: txid is not that of the proof'
	fi
}

# write_data KEY...: canonical JSON, every value a string or null
write_data()
{
	separator='{'
	for member; do
		load "$member"
		printf '%s"%s":' "$separator" "$member"
		separator=,
		case $member:$kind:$value in
			*:scalar:null) printf null ;;
			status:scalar:* | duration_ms:scalar:*) printf '"%s"' "$value" ;;
			status:* | duration_ms:*) bad_record "the member \"$member\" is a string" ;;
			*:scalar:*) bad_record "the member \"$member\" is a number" ;;
			*:string:*) printf '"%s"' "$value" ;;
			*)
				printf '"'
				cat "$work/value.$member"
				printf '"'
				;;
		esac
	done
	printf '}'
}

# Sets inner and leaf_hash.
make_leaf()
{
	case " $seen " in
		*' operation '*) stream=objects data_keys=$object_keys more=5 ;;
		*' method '*) stream=requests data_keys=$request_keys more=4 ;;
		*) bad_record 'it is of neither stream' ;;
	esac
	check_rest
	# shellcheck disable=SC2086 # lists of words
	{
		set -- $data_keys
		expected=$(($# + more))
		set -- $seen
		[ $# -eq $expected ] || bad_record 'a member is missing or too much'
		write_data $data_keys >"$work/data" || exit 1
	}
	meta="{\"format\":\"1\",\"id\":\"$id\",\"occurred_at\":\"$occurred_at\",\"stream\":\"$stream\",\"txid\":\"$txid\"}"
	inner=$(
		{
			printf 'audit_log/inner/v1\n%s\n' "$(printf '%s' "$meta" | digest)"
			{
				decode "$salt"
				cat "$work/data"
			} | digest
			printf '\n'
		} | digest
	)
	leaf_hash=$(
		{
			printf '\000'
			printf 'audit_log/record/v1\n%s\n%s\n%s\n' "$id" "$expire" "$inner" |
				openssl dgst -sha256 -binary
		} | digest
	)
}

# ------------------------------------------------------------------- main

begin_work
while getopts k:h option; do
	case $option in
		k) add_key "$OPTARG" ;;
		h)
			usage
			exit 0
			;;
		*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -eq 2 ] || [ $# -eq 3 ] || {
	usage >&2
	exit 2
}
[ $keys -gt 0 ] || stop 'no key was given'
[ -f "$1" ] || stop "there is no file \"$1\""

read_proof "$2"
check_checkpoint "$work/note" 'the checkpoint of the proof'
if [ $# -eq 3 ]; then
	of_proof="$origin$newline$size$newline$root"
	check_checkpoint "$3" 'the checkpoint'
	[ "$of_proof" = "$origin$newline$size$newline$root" ] ||
		fail "the proof is for another checkpoint than \"$3\""
fi
[ "$index" -lt "$size" ] || fail 'the proof is for a leaf that the checkpoint does not have'

line=$(cat "$1")
has_length "$1" ${#line} || has_length "$1" $((${#line} + 1)) ||
	fail 'the record is not one line of text'
case $line in
	*"$newline"*) fail 'the record is not one line of text' ;;
	'{"leaf":'*'"record":{'*)
		record=${line#*'"record":'}
		record=${record%\}}
		;;
	*) record=$line ;;
esac
read_record "$record"
make_leaf
# shellcheck disable=SC2086 # a list of hashes
computed=$(root_of "$index" "$size" "$leaf_hash" $hashes) || computed=
[ "$computed" = "$root" ] ||
	fail 'the record and its proof do not lead to the root of the checkpoint: one of them was changed'
if [ "$record" != "$line" ]; then
	expires=$expire
	[ "$expire" != - ] || expires=null
	[ "$line" = "{\"leaf\":$index,\"id\":\"$id\",\"expire_us\":$expires,\"inner_hash\":\"$inner\",\"state\":\"present\",\"stream\":\"$stream\",\"txid\":$txid,\"record_expire_us\":$expires,\"salt\":\"$salt\",\"record\":$record}" ] ||
		fail 'what stands beside the record in its exported line does not fit: it was changed'
fi
printf 'Verified: record %s is leaf %s of %s in the ledger "%s", signed by%s.\n' \
	"$id" "$index" "$size" "$origin" "$signers"
[ $others -eq 0 ] || printf '%s more signatures are by keys that were not given.\n' "$others"
