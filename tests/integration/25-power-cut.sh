#!/bin/bash
# The machine loses power, again and again: the images below two replicas are
# cloned, without a sync, in the midst of work, and the volume goes on from the
# clones.  What was synced is there, everything can be read, the first open is
# served at once, and fsck is content.
. "$(dirname "$0")/lib.sh"

needs losetup mkfs.xfs xfs_io
cuts=${LONG:+100}
cuts=${cuts:-2}
MIB=1048576

# A clone is taken at one moment, with what the device has got by then, on XFS only.
# In memory: what is to last lasts as long as the test.
mkdir "$T/memory" "$T/store"
mount -t tmpfs -o size=3g none "$T/memory" || fail "tmpfs"
MOUNTS+=("$T/memory")
truncate -s 3G "$T/memory/store.img"
mkfs.xfs -q -f -m reflink=1 "$T/memory/store.img" 2>/dev/null || skip "no XFS with reflink"
loop=$(losetup --show -f "$T/memory/store.img") || skip "no loop device"
LOOPS+=("$loop")
mount -t xfs "$loop" "$T/store" || skip "no xfs in this kernel"
MOUNTS+=("$T/store")

# images_up TYPE: attach and mount both images; the replicas lie on them.
images_up() {
	local i
	DEVICES=()
	REPLICAS=()
	for i in 0 1; do
		DEVICES[i]=$(losetup --show -f "$T/store/r$i.img") || fail "losetup"
		LOOPS+=("${DEVICES[i]}")
		mkdir -p "$T/fs$i"
		mount -t "$1" "${DEVICES[i]}" "$T/fs$i" || fail "mount -t $1: the clone is no file system any more"
		MOUNTS+=("$T/fs$i")
		mkdir -p "$T/fs$i/r"
		REPLICAS+=("$T/fs$i/r")
	done
}

images_down() {
	local i j
	for i in 0 1; do
		# A daemon that was killed may still be closing its files.
		for ((j = 0; j < 50; j++)); do
			umount "$T/fs$i" 2>/dev/null && break
			sleep 0.1
		done
		mountpoint -q "$T/fs$i" && fail "umount $T/fs$i"
		losetup -d "${DEVICES[i]}"
	done
}

# Each writer notes outside the mount what is durable by what it was told.  They
# go on while $T/go is there: without the mount there is a folder to write to.
write_files() {
	local n=$1
	while [ -e "$T/go" ]; do
		seq "$n" $((n + 300)) >"$MNT/files/$n.tmp" && sync "$MNT/files/$n.tmp" && mv "$MNT/files/$n.tmp" "$MNT/files/$n" &&
		    sync "$MNT/files" || return
		echo "$n" >>"$T/acked.files"
		n=$((n + 1))
	done
}
change_names() {
	local n=$1 d=$MNT/names
	while [ -e "$T/go" ]; do
		mkdir "$d/$n" && : >"$d/$n/a" && ln "$d/$n/a" "$d/$n/b" && rm "$d/$n/a" && mv "$d/$n/b" "$d/$n/c" &&
		    mv "$d/$n" "$MNT/moved/$n" || return
		# Every fourth is synced; the others may end in any state, but in one.
		if ((n % 4 == 0)); then
			sync "$MNT/moved/$n" && sync "$MNT/moved" "$d" || return
			echo "$n" >>"$T/acked.names"
		fi
		n=$((n + 1))
	done
}
append_log() {
	local n=$1
	while [ -e "$T/go" ]; do
		echo "line $n" >>"$MNT/log" || return
		if ((n % 20 == 0)); then
			sync "$MNT/log" || return
			echo "$n" >>"$T/acked.log"
		fi
		n=$((n + 1))
	done
}
# Blocks of a large file, each saying which write it is of; some synced.
overwrite() {
	local n=$1 block flags
	while [ -e "$T/go" ]; do
		block=$((RANDOM % 8000))
		flags=
		((n % 4)) || flags=oflag=dsync
		printf 'write %-4089s\n' "$n" | dd of="$MNT/large" bs=4096 seek=$block conv=notrunc status=none \
		    ${flags:+"$flags"} || return
		((n % 4)) || echo "$block $n" >>"$T/acked.large"
		n=$((n + 1))
	done
}

# some FILE: its last lines, and some of the others: enough, when there are thousands.
some() {
	tail -n 200 "$1"
	head -n -200 "$1" | shuf -n 50
}

verify() {
	local n block got lines
	while read -r n; do
		[ "$(seq "$n" $((n + 300)) | cksum)" = "$(cksum <"$MNT/files/$n")" ] || fail "$1: files/$n was synced, and is not there"
		[ ! -e "$MNT/files/$n.tmp" ] || fail "$1: files/$n stands under its old name as well"
	done < <(some "$T/keep.files")
	while read -r n; do
		[ "$(ls "$MNT/moved/$n")" = c ] || fail "$1: moved/$n was synced, and has $(ls "$MNT/moved/$n" 2>&1)"
		[ ! -e "$MNT/names/$n" ] || fail "$1: names/$n was moved away, and is back"
	done < <(some "$T/keep.names")
	lines=$(tail -n 1 "$T/keep.log")
	if [ -n "$lines" ]; then
		grep -q -x "line $lines" "$MNT/log" || fail "$1: line $lines of the log was synced, and is lost"
	fi
	# The last synced write of a block, or one after it.
	sort -n -k1,1 -k2,2 "$T/keep.large" | awk '{ last[$1] = $2 } END { for (b in last) print b, last[b] }' >"$T/large.want"
	while read -r block n; do
		got=$(dd if="$MNT/large" bs=4096 skip="$block" count=1 status=none | awk 'NR == 1 { print $2 }')
		[ "${got:-0}" -ge "$n" ] || fail "$1: block $block of large: write $n was synced, and '$got' found"
	done < <(some "$T/large.want")
	"$TREESUM" "$MNT" >"$T/tree" || fail "$1: something cannot be read"
}

# power_cut: keep what the images hold at this moment, and go on from there.
power_cut() {
	local i w f
	# Told before the clones were taken, so it must be in them.
	for f in files names log large; do cp "$T/acked.$f" "$T/keep.$f"; done
	for i in 0 1; do
		cp --reflink=always "$T/store/r$i.img" "$T/store/r$i.clone" 2>"$T/clone.err" || fail "$(cat "$T/clone.err")"
	done
	rm "$T/go"
	mount_crash
	for w in "${CHILDREN[@]}"; do wait "$w"; done 2>/dev/null
	CHILDREN=()
	images_down
	for i in 0 1; do mv "$T/store/r$i.clone" "$T/store/r$i.img"; done
	for f in files names log large; do cp "$T/keep.$f" "$T/acked.$f"; done
}

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

total=0
slowest=0
for type in ext4 xfs btrfs; do
	force=-f
	[ $type = ext4 ] && force=-F
	command -v "mkfs.$type" >/dev/null || { note "no mkfs.$type"; continue; }
	for i in 0 1; do
		rm -f "$T/store/r$i.img"
		truncate -s 400M "$T/store/r$i.img"
		"mkfs.$type" -q $force "$T/store/r$i.img" >/dev/null 2>&1 || fail "mkfs.$type"
	done
	volume_new 0
	images_up $type
	for f in files names log large; do : >"$T/acked.$f"; done
	mount_up
	mkdir "$MNT/files" "$MNT/names" "$MNT/moved"
	head -c $((32 * MIB)) /dev/zero | tr '\0' '-' >"$MNT/large"
	: >"$MNT/log"
	sync "$MNT/large" "$MNT/log" "$MNT/files" "$MNT/names" "$MNT/moved" "$MNT"
	for ((round = 1; round <= cuts; round++)); do
		: >"$T/go"
		for w in write_files change_names append_log overwrite; do
			$w $((round * 100000)) 2>/dev/null &
			CHILDREN+=($!)
		done
		sleep "$((RANDOM % 2)).$((RANDOM % 10))"
		sleep 0.5
		power_cut
		images_up $type
		start=$(now_ms)
		mount_up
		head -c 4096 "$MNT/large" >/dev/null || fail "cannot read at once"
		took=$(($(now_ms) - start))
		((took > slowest)) && slowest=$took
		verify "$type, cut $round"
		total=$((total + 1))
		((total % 20)) || note "$total cuts"
		if ((round == cuts || round % 5 == 0)); then
			for ((i = 0; i < 300; i++)); do
				grep -q "all that was being changed is reconciled" <(tail -n 40 "$LOG") && break
				sleep 0.1
			done
			all_well
			[ "$round" -eq "$cuts" ] || mount_up
		fi
	done
	images_down
done
[ $total -gt 0 ] || skip "no file system to try"
note "$total power cuts survived; mounting and the first byte of a file in use took $slowest ms at most"
