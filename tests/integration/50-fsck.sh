#!/bin/bash
# fsck.mendfs on what a mount leaves behind: clean; with rot, found, mended, and
# clean again.  Each kind of damage has its own test in tests/fsck.
. "$(dirname "$0")/lib.sh"

volume_new 3
mount_up
cp -a /usr/share/common-licenses/. "$MNT" 2>/dev/null
head -c 2000000 /dev/urandom >"$MNT/large"
mkdir -p "$MNT/a/b/c"
seq 3000 >"$MNT/a/b/c/numbers"
must_fail fsck.mendfs -n "${REPLICAS[@]}"	# it is mounted
mount_down
fsck_clean
for r in "${REPLICAS[@]}"; do fsck.mendfs -n "$r" >"$T/out" 2>&1 || fail "one replica alone: $(cat "$T/out")"; done
cp -a "${REPLICAS[0]}" "$T/ref"

flip "${REPLICAS[1]}/large" 1234567
rm "${REPLICAS[2]}/a/b/c/numbers"
chmod 0600 "${REPLICAS[0]}/a/b"
snapshot "$T/snap"
fsck.mendfs -n "${REPLICAS[@]}" >"$T/out" 2>&1
same "status of -n" 4 $?
unchanged "$T/snap" "fsck -n"
for word in large numbers; do grep -q $word "$T/out" || fail "-n does not name $word: $(cat "$T/out")"; done
fsck.mendfs -n "${REPLICAS[1]}" >"$T/out" 2>&1
same "status of -n on the spoiled one alone" 4 $?
fsck.mendfs -p "${REPLICAS[@]}" >"$T/out" 2>&1
same "status of -p" 1 $?
fsck_clean
for r in "${REPLICAS[@]}"; do same_trees "$T/ref" "$r"; done
fsck.mendfs -n --json "${REPLICAS[@]}" >"$T/json" || fail "--json"
if command -v jq >/dev/null; then
	jq -e . "$T/json" >/dev/null || fail "--json is not JSON"
fi
fsck.mendfs -n -C 5 "${REPLICAS[@]}" 5>"$T/progress" >/dev/null || fail "-C 5"
[ -s "$T/progress" ] || fail "-C 5 wrote no progress"
fsck.mendfs --frobnicate "${REPLICAS[@]}" >/dev/null 2>&1
same "usage error" 16 $?
fsck.mendfs -n "$T/nowhere" >/dev/null 2>&1
same "operational error" 8 $?
