#!/bin/bash
# A member is missing: refused without -o degraded, served with it; what was
# written meanwhile is never undone by the one that comes back.
. "$(dirname "$0")/lib.sh"

needs jq

volume_new 3
mount_up
echo one >"$MNT/file"
mkdir "$MNT/dir"
echo gone >"$MNT/dir/gone"
mount_down
members=("${REPLICAS[@]}")

refused() {	# refused WHAT PATTERN OPTIONS REPLICA...
	local what=$1 pattern=$2 options=$3
	shift 3
	snapshot "$T/snap"
	must_fail timeout 20 mendfs -f ${options:+-o "$options"} "$@" "$MNT"
	mountpoint -q "$MNT" && fail "$what: mounted"
	grep -q -E -e "$pattern" "$T/must_fail.out" || fail "$what: $(cat "$T/must_fail.out")"
	unchanged "$T/snap" "$what"
}

# Of a part nothing is formed.
mkdir "$T/fresh"
refused "one of two for a new volume" "$T/none: is not there, and no other" degraded "$T/fresh" "$T/none"
[ -z "$(ls -A "$T/fresh")" ] || fail "something was formed of one of two"

# Not named, or not there, or an empty mountpoint of a disk that is not mounted.
refused "two of three" degraded "" "${members[0]}" "${members[1]}"
mv "${members[2]}" "$T/away"
refused "the third is not there" "${members[2]}" "" "${members[@]}"
mkdir "${members[2]}"
refused "the third is empty" "${members[2]}" "" "${members[@]}"

# Named, with -o degraded: it is gone without, and taken in when it is there.
for there in nothing 'an empty folder'; do
	[ "$there" = nothing ] && rmdir "${members[2]}"
	REPLICAS=("${members[@]}")
	mount_up degraded
	must test "$(mendctl status --json "$MNT" | jq .in_sync)" = 2
	echo "$there" >"$MNT/while-away"
	[ "$there" = nothing ] || [ -z "$(ls -A "${members[2]}")" ] || fail "the empty folder was written to"
	[ "$there" = nothing ] || rmdir "${members[2]}"
	mv "$T/away" "${members[2]}"
	await 20 '[ "$(mendctl status --json "$MNT" | jq .in_sync)" = 3 ]' || fail "in place of $there it is there, and not taken in"
	same "brought up to date" "$there" "$(cat "${members[2]}/while-away")"
	mount_down
	mv "${members[2]}" "$T/away"
	mkdir "${members[2]}"
done

REPLICAS=("${members[0]}" "${members[1]}")
mount_up degraded
same "degraded read" one "$(cat "$MNT/file")"
echo two >"$MNT/file"
rm "$MNT/dir/gone"
echo new >"$MNT/dir/new"
mount_down
[ -z "$(ls -A "${members[2]}")" ] || fail "the empty folder was written to"

# min-replicas: below it no writing.
REPLICAS=("${members[0]}" "${members[1]}")
if try_mount degraded,min-replicas=3; then
	must_fail sh -c "echo x >'$MNT/forbidden'"
	mount_down
fi

# The third comes back, behind the others.
rmdir "${members[2]}"
mv "$T/away" "${members[2]}"
REPLICAS=("${members[@]}")
if try_mount || try_mount degraded; then
	for ((i = 0; i < 6; i++)); do
		forget
		same "after the third came back" two "$(cat "$MNT/file")"
		[ ! -e "$MNT/dir/gone" ] || fail "a removed file rose again"
		same "new file" new "$(cat "$MNT/dir/new")"
	done
	echo three >"$MNT/file"
	mount_down
else
	fail "a volume with one member behind cannot be mounted even with -o degraded"
fi
for i in 0 1; do
	same "replica $i" three "$(cat "${members[$i]}/file")"
	[ ! -e "${members[$i]}/dir/gone" ] || fail "a removed file rose again on replica $i"
done

# All of them alone, one after the other: they fork, and then nobody may guess.
volume_new 2
mount_up
echo base >"$MNT/file"
mount_down
members=("${REPLICAS[@]}")
for i in 0 1; do
	REPLICAS=("${members[$i]}")
	mount_up degraded
	echo "branch $i" >"$MNT/file"
	mount_down
done
REPLICAS=("${members[@]}")
refused "forked" "${members[0]}|${members[1]}" "" "${members[@]}"
for i in 0 1; do same "branch $i" "branch $i" "$(cat "${members[$i]}/file")"; done
