#!/bin/bash
# The machine loses power, again and again: the disks below two replicas keep
# what was flushed, and some of what was written since (powerdisk.c), each
# differently.  What was synced is there, everything can be read, the first open
# is served at once, and fsck is content.
# CUTS=n: as many on each file system (2; LONG=1: 100); CUTS_TYPES="ext4 xfs btrfs";
# CUTS_SEED=n: what disks lose.
. "$(dirname "$0")/lib.sh"

needs losetup
cuts=${CUTS:-${LONG:+100}}
cuts=${cuts:-2}
MIB=1048576

# They lie in memory: what is to last lasts as long as the test.
disks=$BUILD/tests/integration/powerdisk
[ -x "$disks" ] || fail "no program $disks: make check TESTS="
mkdir "$T/store"
"$disks" "$T/store" 2 400 "${CUTS_SEED:-$RANDOM}" >"$T/disks.out" 2>&1 &
MOUNTS+=("$T/store")
for ((i = 0; i < 100; i++)); do
	[ -e "$T/store/power" ] && break
	sleep 0.05
done
[ -e "$T/store/power" ] || fail "powerdisk: $(cat "$T/disks.out")"

disks_attach() {
	local i
	DEVICES=()
	for i in 0 1; do
		DEVICES[i]=$(losetup --show -f "$T/store/disk$i") || skip "no loop device"
		LOOPS+=("${DEVICES[i]}")
	done
}

# images_up TYPE: mount what is on both disks; the replicas lie there.
images_up() {
	local i
	REPLICAS=()
	for i in 0 1; do
		mkdir -p "$T/fs$i"
		mount -t "$1" "${DEVICES[i]}" "$T/fs$i" || fail "mount -t $1: no file system after the cut"
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
	# By now they may be somebody else's.
	LOOPS=()
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

# What is dirty goes to the disks' caches now and then, not flushed: else nothing could be lost there.
stir() {
	local i f
	while [ -e "$T/go" ]; do
		for i in 0 1; do
			uncached "$T/fs$i/r/large" "$T/fs$i/r/log" "$T/fs$i/r/files"/*.tmp
		done
		sleep "0.0$((RANDOM % 10))"
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

power_cut() {
	local w f
	# Told before the power went, so it must be there.
	for f in files names log large; do cp "$T/acked.$f" "$T/keep.$f"; done
	echo cut >"$T/store/power" || fail "powerdisk: $(cat "$T/disks.out")"
	rm "$T/go"
	mount_crash
	for w in "${CHILDREN[@]}"; do wait "$w"; done 2>/dev/null
	CHILDREN=()
	images_down
	echo on >"$T/store/power" || fail "powerdisk: $(cat "$T/disks.out")"
	disks_attach
	for f in files names log large; do cp "$T/keep.$f" "$T/acked.$f"; done
}

# So that the hundredth cut costs what the first one did.
start_again() {
	rm -rf "$MNT/files" "$MNT/names" "$MNT/moved"
	mkdir "$MNT/files" "$MNT/names" "$MNT/moved"
	: >"$MNT/log"
	sync "$MNT/log" "$MNT/files" "$MNT/names" "$MNT/moved" "$MNT"
	for f in files names log; do : >"$T/acked.$f"; done
}

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

total=0
slowest=0
for type in ${CUTS_TYPES:-ext4 xfs btrfs}; do
	force=-f
	[ "$type" = ext4 ] && force=-F
	command -v "mkfs.$type" >/dev/null || { note "no mkfs.$type"; continue; }
	disks_attach
	for i in 0 1; do
		"mkfs.$type" -q $force "${DEVICES[i]}" >/dev/null 2>&1 || fail "mkfs.$type"
	done
	volume_new 0
	images_up "$type"
	: >"$T/acked.large"
	mount_up
	head -c $((32 * MIB)) /dev/zero | tr '\0' '-' >"$MNT/large"
	sync "$MNT/large"
	start_again
	for ((round = 1; round <= cuts; round++)); do
		: >"$T/go"
		for w in write_files change_names append_log overwrite stir; do
			# It syncs all the time: without it more is left to be lost.
			[ $w = write_files ] && ((round % 2)) && continue
			$w $((round * 100000)) 2>/dev/null &
			CHILDREN+=($!)
		done
		sleep "$((RANDOM % 2)).$((RANDOM % 10))"
		sleep 0.5
		power_cut
		images_up "$type"
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
			[ "$round" -eq "$cuts" ] && continue
			mount_up
			start_again
		fi
	done
	images_down
done
[ $total -gt 0 ] || skip "no file system to try"
note "$(tail -n 1 "$T/disks.out")"
note "$total power cuts survived; mounting and the first byte of a file in use took $slowest ms at most"
