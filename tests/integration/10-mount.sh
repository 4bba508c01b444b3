#!/bin/bash
# A volume is mounted, filled with every kind of file, unmounted and mounted
# again: nothing is lost, and inode numbers stay.
. "$(dirname "$0")/lib.sh"

# Every type and every attribute that is mirrored.
populate() {
	cd "$1" || fail "cd $1"
	mkdir -p dir/sub/deeper empty sticky shared
	echo content >dir/file
	ln dir/file dir/sub/second-name
	ln dir/file third-name
	ln -s ../file dir/sub/link
	ln -s /nowhere/at/all dangling
	ln -s "$(printf 'x%.0s' {1..4000})" long-link
	mkfifo fifo
	mknod null c 1 3
	mknod loop b 7 200
	: >nothing
	head -c 4095 /dev/zero | tr '\0' a >under-a-block
	head -c 4096 /dev/zero | tr '\0' b >one-block
	head -c 4097 /dev/zero | tr '\0' c >over-a-block
	seq 200000 >large
	truncate -s 30M sparse
	echo x | dd of=sparse bs=1 seek=20M conv=notrunc status=none
	echo raw >$'bytes \xff\xfe\n\\ and a newline'
	echo dash >./-dash
	echo long >"$(printf 'n%.0s' {1..255})"
	echo program >setuid
	chown 1234:4321 dir/file setuid empty
	chown -h 77:88 dangling
	chmod 4755 setuid
	chmod 2775 shared
	chmod 1777 sticky
	chmod 0444 one-block
	chmod 0000 nothing
	setfattr -n user.note -v 'a value' dir/file
	setfattr -n user.$'\xc3\xa4' -v 0x00ff00 dir
	setfattr -n trusted.secret -v 1 empty
	setfattr -h -n trusted.onlink -v 1 dangling
	setfacl -m u:1000:rw,g:1001:r large
	setfacl -d -m u:1000:rwx shared
	find . -depth -exec touch -h -d '2021-03-04 05:06:07.123456789' {} +
	touch -d '1969-12-31 23:59:58.5' under-a-block
	touch -d '2099-01-01 00:00:00.000000001' over-a-block
	cd / || exit 1
}

needs setfattr setfacl
mkdir "$T/ref"
populate "$T/ref"

volume_new 2
mount_up
same "type of the mount" fuse.mendfs "$(findmnt -no FSTYPE "$MNT")"
populate "$MNT"
same_trees "$T/ref" "$MNT"
"$TREESUM" -i "$MNT" >"$T/before" || fail "cannot list the mount"

[ ! -e "$MNT/.mendfs" ] || fail ".mendfs shows through the mount"
getfattr -d -m - "$MNT/dir/file" 2>/dev/null | grep -q "^user.mendfs" && fail "the record shows through the mount"
must_fail mkdir "$MNT/.mendfs"
must_fail setfattr -n user.mendfs -v x "$MNT/large"

# readdir and stat name the same inode.
(cd "$MNT/dir" && ls -1iU | sort -n) | awk '{print $1, $2}' >"$T/ls"
(cd "$MNT/dir" && stat -c '%i %n' -- *) | sort -n >"$T/stat"
cmp "$T/ls" "$T/stat" || fail "readdir and stat disagree on st_ino"
same "hard links" "$(stat -c %i "$MNT/dir/file")" "$(stat -c %i "$MNT/third-name")"

remount
"$TREESUM" -i "$MNT" >"$T/after" || fail "cannot list the mount"
diff "$T/before" "$T/after" >&2 || fail "the tree is another after a remount"
[ "$(du -k "$MNT/sparse" | cut -f1)" -lt 64 ] || fail "the sparse file is not sparse any more"

# Offsets beyond 32 bits.
truncate -s 9T "$MNT/huge" && echo far | dd of="$MNT/huge" bs=1 seek=8T conv=notrunc status=none || fail "a huge file"
remount
same "size of a huge file" $((9 << 40)) "$(stat -c %s "$MNT/huge")"
same "content of a huge file" far "$(dd if="$MNT/huge" bs=1 skip=8T count=3 status=none)"
[ "$(du -k "$MNT/huge" | cut -f1)" -lt 64 ] || fail "the huge file is not sparse any more"
rm "$MNT/huge"
touch -d '2021-03-04 05:06:07.123456789' "$MNT"

same "hard links after a remount" 3 "$(stat -c %h "$MNT/dir/sub/second-name")"
echo changed >"$MNT/third-name"
same "one inode whatever the name" changed "$(cat "$MNT/dir/file")"
touch -d '2021-03-04 05:06:07.123456789' "$MNT/dir/file"
echo content >"$T/word" && cat "$T/word" >"$MNT/dir/file"
touch -d '2021-03-04 05:06:07.123456789' "$MNT/dir/file"

# Readers of several types at once, from the replicas as they are.
mount_down
for r in "${REPLICAS[@]}"; do same_trees "$T/ref" "$r"; done
fsck_clean

# SIGTERM unmounts cleanly.
mount_up
echo late >"$MNT/late"
kill -TERM "$DAEMON"
wait "$DAEMON"
same "exit status after SIGTERM" 0 $?
DAEMON=
mountpoint -q "$MNT" && fail "still mounted after SIGTERM"
fsck_clean
same "written just before SIGTERM" late "$(cat "${REPLICAS[1]}/late")"

# In the background: status 0 once the mount works, and not before.
mendfs "${REPLICAS[@]}" "$MNT" >"$T/bg.out" 2>&1 || fail "background mount: $(cat "$T/bg.out")"
mountpoint -q "$MNT" || fail "mendfs returned 0 before the mount was up"
same "through the background mount" late "$(cat "$MNT/late")"
umount "$MNT"
# Unmounted and mounted at once: the one that ends must not be in the way.
mendfs "${REPLICAS[@]}" "$MNT" >"$T/bg.out" 2>&1 || fail "mount right after umount: $(cat "$T/bg.out")"
rm "$MNT/late"
touch -d '2021-03-04 05:06:07.123456789' "$MNT"
umount "$MNT"
must_fail mendfs "$T/nowhere" "${REPLICAS[@]}" "$MNT"
mountpoint -q "$MNT" && fail "mounted in spite of a missing replica"

# Read-only.
for ((i = 0; i < 100; i++)); do try_mount ro && break; sleep 0.1; done
mountpoint -q "$MNT" || fail "no read-only mount"
must_fail touch "$MNT/new"
same_trees "$T/ref" "$MNT"
mount_down

# One replica: checksums only.  Sixteen: the most.
for n in 1 16; do
	volume_new "$n"
	mount_up
	echo "$n" >"$MNT/count"
	mkdir "$MNT/d"
	remount
	same "content on $n replicas" "$n" "$(cat "$MNT/count")"
	all_well
done

mendfs --version | grep -q mendfs || fail "--version"
mendfs --help | grep -qi usage || fail "--help"
