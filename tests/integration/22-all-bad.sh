#!/bin/bash
# The same block is bad on every replica: that block is an I/O error and nothing
# else is; wholly overwritten it is right again.
. "$(dirname "$0")/lib.sh"

volume_new 2
mount_up
head -c 40960 /dev/urandom >"$MNT/f"
head -c 3000000 /dev/urandom >"$MNT/large"
echo other >"$MNT/other"
cp "$MNT/f" "$T/f"
cp "$MNT/large" "$T/large"
forget
for r in "${REPLICAS[@]}"; do
	flip "$r/f" $((3 * 4096 + 5))
	flip "$r/large" $((600 * 4096 + 5))
done
block() { dd if="$1" bs=4096 skip="$2" count=1 status=none 2>"$T/dd.err"; }

for f in f:3:10:1 large:600:732:50; do
	IFS=: read -r name bad blocks step <<<"$f"
	for ((i = 0; i < blocks; i += step)); do
		uncached "$MNT/$name"
		if ((i == bad)); then
			block "$MNT/$name" $i >/dev/null && fail "$name: block $i was served"
			grep -q 'Input/output error' "$T/dd.err" || fail "$name: $(cat "$T/dd.err")"
		else
			block "$MNT/$name" $i >"$T/got" || fail "$name: sound block $i: $(cat "$T/dd.err")"
			block "$T/$name" $i >"$T/want"
			cmp "$T/want" "$T/got" || fail "$name: block $i: wrong bytes"
		fi
	done
done
same "another file" other "$(cat "$MNT/other")"

# What needs the old bytes fails, and changes nothing.
for r in 0 1; do cp "${REPLICAS[$r]}/f" "$T/f.$r"; done
printf x | dd of="$MNT/f" bs=1 seek=$((3 * 4096 + 100)) conv=notrunc status=none 2>/dev/null &&
    fail "a partial overwrite of an unprovable block went through"
truncate -s $((3 * 4096 + 100)) "$MNT/f" 2>/dev/null && fail "a cut through an unprovable block went through"
for r in 0 1; do cmp "$T/f.$r" "${REPLICAS[$r]}/f" || fail "a failed write changed replica $r"; done
same "size after a failed cut" 40960 "$(stat -c %s "$MNT/f")"

mount_down
fsck.mendfs -n "${REPLICAS[@]}" >"$T/out" 2>&1
same "fsck -n with a block lost everywhere" 4 $?
fsck.mendfs -y "${REPLICAS[@]}" >"$T/out" 2>&1
same "fsck -y with a block lost everywhere" 4 $?
grep -q "f" "$T/out" || fail "fsck does not list the file"
for r in 0 1; do cmp "$T/f.$r" "${REPLICAS[$r]}/f" || fail "fsck changed a file with no proved copy"; done
mount_up

# Overwritten as a whole, or cut off, it is right again.
dd if="$T/f" of="$MNT/f" bs=4096 skip=3 seek=3 count=1 conv=notrunc status=none || fail "full overwrite"
uncached "$MNT/f"
cmp "$T/f" "$MNT/f" || fail "f: wrong bytes after the overwrite"
truncate -s $((600 * 4096)) "$MNT/large" || fail "cut in front of an unprovable block"
truncate -s $((600 * 4096)) "$T/large"
uncached "$MNT/large"
cmp "$T/large" "$MNT/large" || fail "large: wrong bytes after the cut"
all_well
