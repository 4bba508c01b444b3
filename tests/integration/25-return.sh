#!/bin/bash
# A replica fails while mounted and comes back: no program sees an error, files
# stay open across it, and what was missed, and no more, is made good while the
# volume is in use.  Names that were renamed or removed meanwhile stay so.
. "$(dirname "$0")/lib.sh"

FSDOWN=$(helper tests/integration/fsdown) || fail "cannot build fsdown"

# A tree with something of everything.
plant() {
	mkdir -p "$MNT/tree/deep/deeper" "$MNT/gone/below" "$MNT/other"
	for ((i = 0; i < 40; i++)); do echo "file $i" >"$MNT/tree/deep/f$i"; done
	for i in a b c; do echo "$i" >"$MNT/gone/below/$i"; done
	dd if=/dev/urandom of="$MNT/large" bs=1M count=24 status=none
	dd if=/dev/urandom of="$MNT/other/middle" bs=64k count=5 status=none
	ln "$MNT/tree/deep/f1" "$MNT/other/linked"
	ln -s nowhere "$MNT/tree/link"
	mkfifo "$MNT/tree/fifo"
	setfattr -n user.mark -v before "$MNT/tree/deep/f2"
	echo open >"$MNT/open"
	echo replaced >"$MNT/replaced"
	sync -f "$MNT"
}

# What happens while one is away: $1 tells the rounds apart.
live() {
	mv "$MNT/tree/deep" "$MNT/other/moved$1" || fail "rename of a tree"
	mkdir "$MNT/tree/deep" || fail "mkdir"
	mv "$MNT/other/moved$1/f3" "$MNT/tree/renamed$1" || fail "rename"
	mv "$MNT/other/moved$1/f4" "$MNT/replaced" || fail "rename over"
	rm -r "$MNT/gone" || fail "rm -r"
	mkdir -p "$MNT/new$1/a/b" || fail "mkdir"
	for ((i = 0; i < 20; i++)); do echo "new $i $1" >"$MNT/new$1/a/b/n$i" || fail "create"; done
	printf changed | dd of="$MNT/large" bs=1 seek=5000000 conv=notrunc status=none || fail "overwrite"
	printf changed | dd of="$MNT/large" bs=1 seek=20000000 conv=notrunc status=none || fail "overwrite"
	printf more >>"$MNT/other/middle" || fail "append"
	truncate -s 1000 "$MNT/other/moved$1/f5" || fail "truncate"
	ln "$MNT/other/moved$1/f6" "$MNT/tree/again$1" || fail "link"
	rm "$MNT/other/linked" || fail "unlink of a link"
	ln -sfn elsewhere "$MNT/tree/link" || fail "symlink"
	mkfifo "$MNT/tree/fifo$1" || fail "mkfifo"
	setfattr -n user.mark -v after "$MNT/other/moved$1/f2" || fail "setfattr"
	chmod 600 "$MNT/other/moved$1/f7" || fail "chmod"
	chown 1:2 "$MNT/other/moved$1/f8" || fail "chown"
	mv "$MNT/other/moved$1/f9" "$MNT/other/moved$1/tmp" && mv "$MNT/other/moved$1/f10" "$MNT/other/moved$1/f9" &&
	    mv "$MNT/other/moved$1/tmp" "$MNT/other/moved$1/f10" || fail "exchange"
	echo "written $1" >&4 || fail "write to an open file"
	echo "nameless $1" >&5 || fail "write to a file without a name"
}

# let_go MOUNTPOINT: it can be unmounted, as whoever repairs the disk wants to do.
let_go() {
	local i
	for ((i = 0; i < 100; i++)); do
		umount "$1" 2>/dev/null && return 0
		sleep 0.1
	done
	fail "$1 is still in use 10 s after the replica was lost"
}

# The replicas as they lie there, with the mount at rest.
same_now() {
	sync -f "$MNT"
	sleep 2
	same_trees "${REPLICAS[0]}" "${REPLICAS[1]}"
}

for lost in 1 0; do
	note "replica $lost is pulled out"
	volume_new 2 ext4
	disk=${REPLICAS[lost]%/r}
	loop=$(findmnt -n -o SOURCE "$disk")
	mount_up
	plant
	exec 4>>"$MNT/open" 5>>"$MNT/nameless"
	rm "$MNT/nameless"
	"$FSDOWN" "$disk" || fail "fsdown"
	live $lost
	log_wait_long "failed while" 1
	cp -a "$MNT" "$T/want$lost" || fail "reading while one is away"
	let_go "$disk"
	mount "$loop" "$disk" || fail "mount $loop"
	log_wait_long "in sync again" 1
	echo "after $lost" >&4 || fail "write to an open file"
	echo "after $lost" >&5 || fail "write to a file without a name"
	grep -q "after $lost" "$MNT/open" || fail "lost what was written to an open file"
	same "nameless" "nameless $lost after $lost" "$(tr '\n' ' ' </proc/$$/fd/5 | sed 's/ $//')"
	[ ! -e "$MNT/gone" ] || fail "a removed tree rose again"
	exec 4>&- 5>&-
	grep -q "after $lost" "${REPLICAS[lost]}/open" || fail "what was written to an open file did not reach the replica that came back"
	sed -i '/after/d' "$T/want$lost/open"
	sed "/after/d" "$MNT/open" | cmp -s - "$T/want$lost/open" || fail "the open file differs"
	same_now
	all_well
	exec 4>&- 5>&-
done
