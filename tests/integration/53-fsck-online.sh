#!/bin/bash
# fsck.mendfs of a mounted volume: what it finds, says and returns is as of replicas
# that are not mounted; -n changes nothing; what it may not decide it leaves.
. "$(dirname "$0")/lib.sh"

needs jq
# The control socket is there a moment after the mount.
up() { mount_up "$@"; await 10 'mendctl resync "$MNT" >/dev/null 2>&1' || fail "no control socket"; }
again() { mount_down; up "$@"; }
# checked STATUS ARGUMENT...: fsck.mendfs returns it; findings in $T/out.
checked() {
	local want=$1 status
	shift
	fsck.mendfs "$@" >"$T/out" 2>"$T/err" </dev/null
	status=$?
	[ $status = "$want" ] || fail "fsck.mendfs $*: exit status $status, wanted $want: $(cat "$T/out" "$T/err")"
}
found() { grep -qF -- "$1" "$T/out" || fail "no '$1' in $(cat "$T/out")"; }

volume_new 2
up
mkdir -p "$MNT/a/b" "$MNT/other"
seq 1 500000 >"$MNT/a/large"
seq 1 3000 >"$MNT/a/b/numbers"
ln -s numbers "$MNT/a/b/link"
echo other >"$MNT/other/file"
again
checked 0 -n "$MNT"
grep -qx 'fsck.mendfs: 3 files, 4 directories, 1 others, .* verified; 0 mended, 0 left, 0 unverifiable' "$T/out" || fail "summary: $(cat "$T/out")"
cp -a "$MNT" "$T/ref"
again		# the patrol goes on with what was read

# One of each kind, on either replica; -n leaves all of it, and all else, as it is.
flip "${REPLICAS[1]}/a/large" 1234567
flip "${REPLICAS[0]}/a/large" 8192 5000
chmod 0600 "${REPLICAS[0]}/a/b/numbers"
rm "${REPLICAS[1]}/a/b/link"
setfattr -n user.mendfs -v rubbish "${REPLICAS[1]}/other/file"
snapshot "$T/snap"
checked 4 -n "$MNT"
unchanged "$T/snap" "fsck.mendfs -n of the mount"
cp "$T/out" "$T/online"
found "F101 a/large: block does not match its tag, offset 1232896, 4096 bytes, replica ${REPLICAS[1]} [left]"
found "F101 a/large: block does not match its tag, offset 8192, 8192 bytes, replica ${REPLICAS[0]} [left]"
found "F401 a/b/numbers: owner, mode or extended attributes were changed, replica ${REPLICAS[0]} [left]"
found "F201 a/b/link: name is missing, replica ${REPLICAS[1]} [left]"
found "F302 other/file: record is spoiled, replica ${REPLICAS[1]} [left]"
checked 4 -n --json "$MNT/a"
same "as JSON" "5 4" "$(jq -rs '"\([.[] | select(.type == "finding" and .outcome == "left")] | length) \(.[-1].exit)"' "$T/out")"
same "the replicas, as JSON" "${REPLICAS[*]}" "$(jq -r 'select(.type == "start").replicas | map(.path) | join(" ")' "$T/out")"
checked 4 -n "$MNT/a/b/link"
checked 4 "$MNT/a/b/numbers"
grep -q 'looking only' "$T/err" || fail "without an option: $(cat "$T/err")"
checked 1 -p "$MNT/a/b"
checked 0 -n "$MNT/a/b"
checked 4 -n "$MNT"
fsck.mendfs -p -C 5 "$MNT" 5>"$T/progress" >"$T/out"
same "-p" 1 $?
[ "$(tail -n 1 "$T/progress")" = "0 1 1" ] || fail "-C 5 wrote $(cat "$T/progress")"
found '[mended]'
checked 0 -n "$MNT"
same_trees "$T/ref" "$MNT"

# Written from outside: that version is kept.
printf 'an edit' | dd of="${REPLICAS[1]}/a/b/numbers" conv=notrunc status=none
checked 1 -p "$MNT"
found "F102 a/b/numbers: block was written from outside, offset 0, 4096 bytes, replica ${REPLICAS[1]} [mended]"
grep -q '^an edit' "${REPLICAS[1]}"/.mendfs/quarantine/*/data || fail "the edit is not in quarantine"
checked 0 -n "$MNT"

# Bad everywhere: nothing to be done.  Added by hand: it is not for the daemon to say what it is.
flip "${REPLICAS[0]}/a/large" 2000000
flip "${REPLICAS[1]}/a/large" 2000001
ln "${REPLICAS[0]}/other/file" "${REPLICAS[0]}/other/added"
echo strange >"${REPLICAS[1]}/a/strange"
checked 5 -y "$MNT"	# directories are sealed again
found "F103 a/large: no copy of the block matches its tag, offset 1998848, 4096 bytes [left]"
found "F202 other/added: name does not belong, replica ${REPLICAS[0]}: nothing proves what is right: unmount, and give the replicas to fsck.mendfs -y [left]"
found 'F304 a/strange: no replica has a valid record'
[ ! -e "${REPLICAS[1]}/other/added" ] || fail "what was added to one replica is on the other"
rm "${REPLICAS[0]}/other/added" "${REPLICAS[1]}/a/strange"
cp "$T/ref/a/large" "$MNT/a/large"
checked 1 -y "$MNT"	# the directory's mtime
checked 0 -n "$MNT"

# Wrong calls.
checked 16 -n -p "$MNT"
checked 16 -n "$MNT" "$MNT"
checked 16 -n "$MNT" "${REPLICAS[0]}"
checked 16 -n "${REPLICAS[0]}" "$MNT"
checked 8 -n "$MNT/nothing"
checked 8 -n "$MNT/other/file/below"
again ro
checked 0 -n "$MNT"
checked 8 -p "$MNT"
grep -q 'mounted read-only' "$T/err" || fail "-p of a read-only mount: $(cat "$T/err")"
again
mount_kill
checked 8 -n "$MNT"
grep -q 'no daemon listens' "$T/err" || fail "of a dead mount: $(cat "$T/err")"
umount -l "$MNT"
