#!/bin/bash
# An ordinary user mounts through fusermount3; files without write permission
# keep records too; a replica that the user may not read is refused by name.
. "$(dirname "$0")/lib.sh"

needs setpriv fusermount3 git
mode=$(stat -c %a /dev/fuse)
if [ "$mode" != 666 ]; then
	UNDO+=("chmod $mode /dev/fuse")
	chmod 666 /dev/fuse
fi
volume_new 2
base=$(dirname "$MNT")
chown nobody:nogroup "$base" "$MNT" "${REPLICAS[@]}"
MOUNTS+=("$MNT")
: >"$LOG"
chown nobody "$LOG"

# The build may lie where an ordinary user cannot look.
install -m 755 "$BUILD/mendfs" "$BUILD/fsck.mendfs" "$TREESUM" "$base"
as_user() {
	env -i PATH="$base:/usr/bin:/bin" HOME="$base" LC_ALL=C ${ASAN_OPTIONS:+ASAN_OPTIONS="detect_leaks=0"} \
	    setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"
}
is_mounted() { grep -q " $MNT fuse" /proc/self/mounts; }
wait_unmounted() {
	local i
	for ((i = 0; i < 100; i++)); do
		as_user flock -n "$base/log" true
		is_mounted || return 0
		sleep 0.05
	done
	fail "still mounted"
}

as_user mendfs "${REPLICAS[@]}" "$MNT" >"$T/out" 2>&1 || fail "mount as a user: $(cat "$T/out")"
is_mounted || fail "returned 0 but is not mounted"
same "owner of the root" nobody "$(as_user stat -c %U "$MNT")"
ls "$MNT" 2>/dev/null && fail "root sees into a user's mount without allow_other"

as_user sh -c 'umask 077; cd "$1" && echo read-only >locked && chmod 0444 locked && echo x >none && chmod 0 none &&
	mkdir closed && echo y >closed/inner && chmod 0555 closed' - "$MNT" || fail "cannot make files"
as_user setfattr -n user.note -v later "$MNT/locked" 2>/dev/null
as_user touch -d 2001-01-01 "$MNT/locked" || fail "touch on a 0444 file"
as_user sh -c 'cd "$1" && git init -q repo && cd repo && git config user.name n && git config user.email e@example &&
	seq 5000 >file && git add file && git commit -qm one && seq 6000 >file && git commit -qam two && git gc -q' \
    - "$MNT" || fail "git on a user's mount"
as_user treesum "$MNT" >"$T/before" 2>/dev/null
as_user fusermount3 -u "$MNT" || fail "fusermount3 -u"
wait_unmounted

for ((i = 0; i < 50; i++)); do
	as_user mendfs "${REPLICAS[@]}" "$MNT" >"$T/out" 2>&1 && break
	sleep 0.1
done
is_mounted || fail "second mount as a user: $(cat "$T/out")"
as_user treesum "$MNT" >"$T/after" 2>/dev/null
diff "$T/before" "$T/after" >&2 || fail "the tree is another after a remount"
as_user git -C "$MNT/repo" fsck --full >"$T/out" 2>&1 || fail "git fsck: $(cat "$T/out")"
same "0444 file" read-only "$(as_user cat "$MNT/locked")"

# Rot in a file without write permission is mended for a user as well.
drop="dd if=$MNT/locked iflag=nocache count=0 status=none"
flip "${REPLICAS[0]}/locked" 3
flip "${REPLICAS[1]}/repo/file" 3
as_user sh -c "$drop"
same "rot in a 0444 file" read-only "$(as_user cat "$MNT/locked")"
as_user fusermount3 -u "$MNT" || fail "fusermount3 -u"
wait_unmounted
sleep 0.5
as_user fsck.mendfs -p "${REPLICAS[@]}" >"$T/out" 2>&1
[ $? -le 1 ] || fail "fsck -p as a user: $(cat "$T/out")"
fsck_clean
same_replicas
same "0444 on disk" 444 "$(stat -c %a "${REPLICAS[0]}/locked")"

# What the user may not read, or may not write, is refused by name.
mkdir "$base/secret" "$base/rooted"
chmod 700 "$base/secret"
chmod 755 "$base/rooted"
for r in secret rooted; do
	snapshot "$T/snap"
	as_user timeout 20 mendfs -f "$base/$r" "${REPLICAS[1]}" "$MNT" >"$T/out" 2>&1 && fail "$r was taken"
	is_mounted && fail "$r was mounted"
	grep -q "$base/$r" "$T/out" || fail "the error does not name $base/$r: $(cat "$T/out")"
	same "lines of error" 1 "$(wc -l <"$T/out")"
	unchanged "$T/snap" "$r"
done
if ! grep -q '^user_allow_other' /etc/fuse.conf 2>/dev/null; then
	as_user timeout 20 mendfs -f -o allow_other "${REPLICAS[@]}" "$MNT" >"$T/out" 2>&1 &&
	    fail "allow_other without user_allow_other"
	grep -q allow_other "$T/out" || fail "the error does not name allow_other: $(cat "$T/out")"
fi
