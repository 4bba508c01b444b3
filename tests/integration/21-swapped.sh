#!/bin/bash
# A file on a replica is swapped for something else: it is never followed, it is
# reported, and the other replica's file is served.
. "$(dirname "$0")/lib.sh"

volume_new 2
mount_up read=round-robin
echo canary >"$T/canary"
mkdir "$T/outside"
echo canary >"$T/outside/inner"
kinds="symlink device fifo socket directory hardlink"
for k in $kinds; do echo "content $k" >"$MNT/$k"; done
echo other >"$MNT/other"
mkdir "$MNT/dir"
echo inner >"$MNT/dir/inner"
mount_down
cp -a "${REPLICAS[0]}" "$T/ref"
rm -rf "$T/ref/.mendfs"

swap() {	# swap KIND PATH: put something of KIND where the file was
	rm "$2"
	case $1 in
	symlink) ln -s "$T/canary" "$2" ;;
	device) mknod "$2" c 1 5 ;;
	fifo) mkfifo "$2" ;;
	socket) "$SOCKET" "$2" ;;
	directory) mkdir "$2" ;;
	hardlink) ln "$(dirname "$2")/other" "$2" ;;	# another file of the volume
	esac
}
SOCKET=$(helper tests/integration/mksock) || fail "cannot build mksock"

look() {	# look WHEN
	local k
	for k in $kinds; do
		# No open of ours may hang in a FIFO.
		read_all "$MNT/$k" || fail "$1: read of $k failed"
		same "$1: $k" "content $k" "$(timeout 20 cat "$MNT/$k")"
	done
	uncached "$MNT/other"
	same "$1: other" other "$(cat "$MNT/other")"
	same "$1: dir/inner" inner "$(cat "$MNT/dir/inner")"
	same "$1: canary" canary "$(cat "$T/canary")"
	same "$1: outer directory" canary "$(cat "$T/outside/inner")"
}

for r in 0 1; do
	# While it is unmounted.
	for k in $kinds; do swap "$k" "${REPLICAS[$r]}/$k"; done
	mv "${REPLICAS[$r]}/dir" "$T/dir.$r"
	ln -s "$T/outside" "${REPLICAS[$r]}/dir"
	mount_up read=round-robin
	look "swapped on replica $r while unmounted"
	for k in $kinds; do
		grep -q "$k" "$LOG" || fail "$k: the log does not report it"
		echo more >>"$MNT/$k" || fail "append to $k"
		truncate -s "$(stat -c %s "$T/ref/$k")" "$MNT/$k"
	done
	echo deep >"$MNT/dir/deep"
	rm "$MNT/dir/deep"
	look "after writing, swapped on replica $r while unmounted"
	[ ! -e "$T/outside/deep" ] || fail "a directory link was followed"
	mount_down
	if fsck.mendfs -n "${REPLICAS[@]}" >"$T/out" 2>&1; then
		same_replicas -m
	fi
	fsck.mendfs -y "${REPLICAS[@]}" >"$T/out" 2>&1
	fsck_clean

	# While it is mounted, known to the kernel and open.
	mount_up read=round-robin
	look "before"
	exec 3<"$MNT/symlink"
	for k in $kinds; do swap "$k" "${REPLICAS[$r]}/$k"; done
	look "swapped on replica $r while mounted"
	forget
	look "swapped on replica $r while mounted, forgotten"
	for k in $kinds; do
		echo more >>"$MNT/$k" || fail "append to $k"
		truncate -s "$(stat -c %s "$T/ref/$k")" "$MNT/$k"
	done
	exec 3<&-
	mount_down
	same "canary" canary "$(cat "$T/canary")"
	fsck.mendfs -y "${REPLICAS[@]}" >"$T/out" 2>&1
	fsck_clean
	same_trees "$T/ref" "${REPLICAS[$r]}" -m
done

# Two files of a directory that was made in this mount, whose names are all known, are exchanged on one replica.
volume_new 2
mount_up read=first
mkdir "$MNT/made"
cd "$MNT/made" || fail "cd"
echo one >a
echo two >b
# Until the daemon has let go of the files, too.
sleep 3
forget
mv "${REPLICAS[0]}/made/a" "${REPLICAS[0]}/made/c"
mv "${REPLICAS[0]}/made/b" "${REPLICAS[0]}/made/a"
mv "${REPLICAS[0]}/made/c" "${REPLICAS[0]}/made/b"
forget
same "exchanged in a directory whose names are known" "one two" "$(cat a) $(cat b)"
cd / || fail "cd"
all_well
