#!/bin/bash
# Replicas on ext4, XFS and Btrfs, each kind alone and mixed: the basic story,
# and rot made below the file system, in its image.
. "$(dirname "$0")/lib.sh"

needs setfattr setfacl

populate() {
	cd "$1" || fail "cd $1"
	mkdir -p dir/sub
	seq 100000 >dir/large
	echo small >dir/small
	ln dir/small dir/sub/linked
	ln -s ../small dir/sub/symlink
	mkfifo fifo
	mknod null c 1 3
	truncate -s 100M sparse
	echo x | dd of=sparse bs=1 seek=50M conv=notrunc status=none
	fallocate -l 300000 reserved
	seq 100000 | head -c 16384 >punched
	fallocate -p -o 4096 -l 8192 punched || fail "punch a hole on $2"
	setfattr -n user.note -v value dir/small
	setfacl -m u:1000:rw dir/large
	chown 12:34 dir/large
	chmod 6755 dir/small
	for ((i = 0; i < 300; i++)); do echo "$i" >"dir/sub/file $i"; done
	for ((i = 0; i < 300; i += 3)); do mv "dir/sub/file $i" "dir/file $i"; done
	cp "$T/marked" marked
	find . -depth -exec touch -h -d '2021-03-04 05:06:07.123456789' {} +
	cd / || exit 1
}

# rot_below INDEX PATTERN: flip a byte of PATTERN in the image of a replica.
rot_below() {
	local image at
	image=$(dirname "${REPLICAS[$1]}")
	image=${image%.fs}.img
	sync -f "${REPLICAS[$1]}"
	at=$(grep -a -o -b -m 1 -F "$2" "$image" | head -n 1 | cut -d: -f1)
	[ -n "$at" ] || fail "no '$2' in $image"
	printf '\377' | dd of="$image" bs=1 seek="$at" conv=notrunc status=none
	sync "$image"
	forget
}

# No two blocks alike: a place in the image can be found by its bytes.
{ seq -f 'marker %g' 1 2000; head -c 400000 /dev/urandom | od -An -v -tx1; } >"$T/marked"
mkdir "$T/ref"
populate "$T/ref" reference
for kinds in "ext4 ext4" "xfs xfs" "btrfs btrfs" "ext4 xfs btrfs"; do
	read -ra types <<<"$kinds"
	volume_new ${#types[@]} "${types[@]}"
	mount_up read=round-robin
	populate "$MNT" "$kinds"
	same_trees "$T/ref" "$MNT"
	getfattr -d -m - "$MNT/dir/large" 2>/dev/null | grep -q SGI_ACL && fail "$kinds: what XFS keeps for itself shows through the mount"
	remount read=round-robin
	same_trees "$T/ref" "$MNT"
	for ((i = 0; i < ${#REPLICAS[@]}; i++)); do
		rot_below $i "marker $((100 + 500 * i))"
		flip "${REPLICAS[$i]}/dir/large" $((i * 5000))
		for f in marked dir/large; do
			read_all "$MNT/$f" || fail "$kinds: read of $f with rot on replica $i"
			cmp "$T/ref/$f" "$MNT/$f" || fail "$kinds: $f: wrong bytes with rot on replica $i"
		done
		cmp "$T/ref/marked" "${REPLICAS[$i]}/marked" || fail "$kinds: rot in the image of replica $i is not mended"
	done
	same "$kinds: lines in the log" "${#REPLICAS[@]}" "$(log_count 'mended .*marked')"
	all_well
	for r in "${REPLICAS[@]}"; do same_trees "$T/ref" "$r"; done
	for ((i = 0; i < ${#REPLICAS[@]}; i++)); do umount "$(dirname "${REPLICAS[$i]}")" || fail "umount"; done
done
