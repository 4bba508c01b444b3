#!/bin/bash
# Rot at every kind of place, on each replica in turn: a read returns the right
# bytes, mends the bad copy on its disk, and says so once.
. "$(dirname "$0")/lib.sh"

needs setfattr
volume_new 2
mount_up read=round-robin
mkdir "$T/ref"
make_files() {
	echo small >"$1/small"
	head -c 16484 /dev/urandom >"$1/tail"		# four blocks and 100 bytes
	head -c 400000 /dev/urandom >"$1/medium"	# tags in the record
	head -c 2000000 /dev/urandom >"$1/large"	# tags in pages of their own
	truncate -s 1M "$1/hole"
	printf 'x' | dd of="$1/hole" bs=1 seek=900000 conv=notrunc status=none
}
make_files "$T/ref"
cp -a --sparse=always "$T/ref/." "$MNT"
remount read=round-robin
same_trees "$T/ref" "$MNT"

# check_rot REPLICA FILE OFFSET: spoil, read, look.
check_rot() {
	local replica=${REPLICAS[$1]} file=$2 offset=$3 lines
	lines=$(log_count "mended .*$file")
	flip "$replica/$file" "$offset"
	read_all "$MNT/$file" || fail "$file: read failed with offset $offset spoiled on replica $1"
	cmp "$T/ref/$file" "$MNT/$file" || fail "$file: wrong bytes with offset $offset spoiled on replica $1"
	cmp "$T/ref/$file" "$replica/$file" || fail "$file: offset $offset is not mended on replica $1"
	same "lines in the log for $file offset $offset on replica $1" $((lines + 1)) "$(log_count "mended .*$file")"
}

for r in 0 1; do
	check_rot $r small 2
	check_rot $r tail 0
	check_rot $r tail 16400
	check_rot $r medium 399999
	check_rot $r large 0
	check_rot $r large 1000000
	check_rot $r large 1999999
	check_rot $r hole 500000
	check_rot $r hole 900000
	grep -q "mended.*large.*block $((1000000 / 4096)) .*${REPLICAS[$r]}" "$LOG" ||
	    fail "the log does not name file, block and replica"
done

# The kernel takes a capability from a file that is written: spoiling takes it, mending does not.
capability=0x0100000200040000000000000000000000000000
capable() { getfattr --absolute-names -e hex -d -m security.capability "$1/capable" | grep -q "=$capability\$"; }
cp "$T/ref/medium" "$T/ref/capable"
cp "$T/ref/capable" "$MNT/capable"
setfattr -n security.capability -v $capability "$MNT/capable" || fail "setfattr"
for r in "${REPLICAS[@]}"; do
	remount read=round-robin
	flip "$r/capable" 5000
	setfattr -n security.capability -v $capability "$r/capable" || fail "setfattr"
	read_all "$MNT/capable" || fail "capable: read failed"
	cmp "$T/ref/capable" "$r/capable" || fail "capable is not mended on $r"
	capable "$r" || fail "the capability is gone after mending on $r"
done
rm "$MNT/capable" "$T/ref/capable"

# Many blocks of one file, and both replicas, each in blocks of its own.
for ((i = 0; i < 300; i += 2)); do
	flip "${REPLICAS[0]}/large" $((i * 4096 + i))
	flip "${REPLICAS[1]}/large" $(((i + 1) * 4096 + 7))
done
read_all "$MNT/large" || fail "large: read failed with blocks spoiled on both replicas in turn"
for r in "${REPLICAS[@]}"; do cmp "$T/ref/large" "$r/large" || fail "large is not mended on $r"; done

# A hole punched into one copy is rot, and no reason to skip the data: cp(1) looks for holes.
for f in medium large; do
	for r in "${REPLICAS[@]}"; do
		remount read=round-robin
		touch -r "$r/$f" "$T/time"
		fallocate -p -o 40960 -l 200000 "$r/$f" && fallocate -p -o 262144 -l 100000 "$r/$f" || fail "punching a hole"
		touch -r "$T/time" "$r/$f"
		cp --sparse=auto "$MNT/$f" "$T/copy" && cmp "$T/ref/$f" "$T/copy" || fail "$f: cp skipped data for a hole on $r"
		read_all "$MNT/$f"
		cp --sparse=auto "$MNT/$f" "$T/copy" && cmp "$T/ref/$f" "$T/copy" || fail "$f: cp skipped data for a hole on $r"
		for i in "${REPLICAS[@]}"; do read_all "$MNT/$f"; uncached "$MNT/$f"; done
	done
done

# A partial overwrite of a spoiled block: proved before it is merged, not laundered.
flip "${REPLICAS[0]}/medium" 8200
flip "${REPLICAS[1]}/medium" 12300
for offset in 8192 12288; do
	for f in "$MNT/medium" "$T/ref/medium"; do
		printf 'NEW' | dd of="$f" bs=1 seek="$offset" conv=notrunc status=none || fail "partial write"
	done
done
# The same for a cut, an append and an extension within the last block.
flip "${REPLICAS[0]}/tail" 16390
for f in "$MNT/tail" "$T/ref/tail"; do
	truncate -s 16470 "$f"
	printf 'appended' >>"$f"
	truncate -s 30000 "$f"
done
uncached "$MNT/medium" "$MNT/tail"
cmp "$T/ref/medium" "$MNT/medium" || fail "medium: rot was merged"
cmp "$T/ref/tail" "$MNT/tail" || fail "tail: rot was merged"
for f in medium tail; do read_all "$MNT/$f"; done

# Sound data, spoiled tags or records: noticed, and mended from the other replica.
id=$(stat -c %i "$MNT/large")
mount_down
tags=$(printf '.mendfs/tags/%02x/%016x' $((id & 255)) "$id")
[ -s "${REPLICAS[0]}/$tags" ] || fail "no tags file $tags"
spoil_record() {	# spoil_record FILE BYTE
	local hex at=$(($2 * 2 + 2)) old new
	hex=$(getfattr --absolute-names --only-values -n user.mendfs "$1" | od -An -v -tx1 | tr -d ' \n')
	hex=0x$hex
	old=${hex:at:2}
	new=$(printf %02x $((0x$old ^ 0x10)))
	setfattr -n user.mendfs -v "${hex:0:at}$new${hex:at+2}" "$1" || fail "setfattr $1"
}
flip "${REPLICAS[0]}/$tags" 100
flip "${REPLICAS[0]}/$tags" 4090
spoil_record "${REPLICAS[1]}/small" 20
spoil_record "${REPLICAS[0]}/medium" 0
spoil_record "${REPLICAS[1]}/tail" 70
setfattr -x user.mendfs "${REPLICAS[0]}/hole"
# look WHAT: tags and records are read once a mount, each time from another replica.
look() {
	local i
	for ((i = 0; i < 8; i++)); do
		mount_up read=round-robin
		for f in small tail medium large hole; do
			read_all "$MNT/$f" || fail "$f: read failed with its $1 on one replica"
			cmp "$T/ref/$f" "$MNT/$f" || fail "$f: wrong bytes with its $1"
		done
		mount_down
	done
	fsck_clean
	same_replicas
}
look "tags or record spoiled"

# Tags file gone, file emptied, file cut short, file gone.
rm "${REPLICAS[1]}/$tags"
: >"${REPLICAS[0]}/small"
truncate -s 300000 "${REPLICAS[0]}/medium"
rm "${REPLICAS[1]}/tail"
look "copy cut or gone"
