#!/bin/bash
# Memory and descriptors: a large tree is walked and forgotten, and a mixed load
# runs for a while; neither leaves the daemon larger than it may be.
#
# FILES (100,000), SECONDS_OF_LOAD (20): LONG=1 takes a million and an hour.
. "$(dirname "$0")/lib.sh"

files=${FILES:-${LONG:+1000000}}
files=${files:-100000}
load=${SECONDS_OF_LOAD:-${LONG:+3600}}
load=${load:-20}
limit_kb=65536
MANY=$(helper tests/integration/manyfiles) || fail "cannot build manyfiles"
# The sanitizers' own memory is not what is measured; the way is gone all the same.
if [ -n "${SANITIZED:-}" ]; then
	limit_kb=1000000
	files=${FILES:-10000}
fi

rss() { awk '/^VmRSS/ { print $2 }' "/proc/$DAEMON/status"; }
descriptors() { find "/proc/$DAEMON/fd" -mindepth 1 | wc -l; }

in_memory
volume_new 2
mount_up
"$MANY" "$MNT/tree" "$files" >"$T/out" || fail "cannot make $files files: $(cat "$T/out")"
note "$files files made: $(rss) KiB, $(descriptors) descriptors"
remount
start_kb=$(rss)
start_fds=$(descriptors)
same "names found by the walk" "$files" "$(find "$MNT/tree" -type f -size -100k | wc -l)"
note "walked: $(rss) KiB, $(descriptors) descriptors"
for ((i = 0; i < 20; i++)); do
	echo 2 >/proc/sys/vm/drop_caches
	sleep 0.5
	[ "$(rss)" -lt $limit_kb ] && break
done
note "forgotten: $(rss) KiB, $(descriptors) descriptors; freshly mounted: $start_kb KiB, $start_fds"
[ "$(rss)" -lt $limit_kb ] || fail "$(rss) KiB resident after $files files were walked and forgotten, the limit is $limit_kb"
[ "$(descriptors)" -le $((start_fds + 16)) ] || fail "$(descriptors) descriptors are open, $start_fds when mounted"

# A mixed load in passes; each pass leaves the volume as it was.
pass() {
	local d=$MNT/load$1 n
	mkdir "$d" || return 1
	for n in 1 2 3; do
		cp -a "$SOURCE/src" "$d/$n" && mv "$d/$n" "$d/moved$n" || return 1
	done
	dd if=/dev/urandom of="$d/large" bs=1M count=20 status=none || return 1
	"$MANY" "$d/many" 500 >/dev/null || return 1
	exec 7<"$d/large"
	rm "$d/large"
	dd bs=64k count=10 <&7 >/dev/null 2>&1
	exec 7<&-
	find "$d" -exec setfattr -n user.p -v "$1" {} + 2>/dev/null
	grep -r -q nothing-like-it "$d"
	rm -r "$d" || return 1
	return 0
}
end=$((SECONDS + load))
passes=0
settled=
while ((SECONDS < end)); do
	pass a$passes &
	p1=$!
	pass b$passes &
	p2=$!
	wait $p1 || fail "pass a$passes"
	wait $p2 || fail "pass b$passes"
	passes=$((passes + 1))
	echo 2 >/proc/sys/vm/drop_caches
	# The first passes fill pools and arenas.
	if [ -z "$settled" ] && ((SECONDS > end - load * 2 / 3)); then
		settled=$(rss)
		settled_fds=$(descriptors)
	fi
done
sleep 2
echo 2 >/proc/sys/vm/drop_caches
sleep 1
final=$(rss)
note "$passes passes: $final KiB after ${settled:-?} KiB, $(descriptors) descriptors after ${settled_fds:-?}"
[ "$final" -lt $limit_kb ] || fail "$final KiB resident after the load, the limit is $limit_kb"
if [ -n "$settled" ]; then
	[ "$final" -le $((settled + settled / 4 + 2048)) ] || fail "memory grows: $settled KiB, then $final KiB"
	[ "$(descriptors)" -le $((settled_fds + 16)) ] || fail "descriptors leak: $settled_fds, then $(descriptors)"
fi
umount "$MNT" || fail "umount"
wait "$DAEMON" || fail "the daemon ended with status $?"
DAEMON=
# A hundred thousand files are also a case for fsck.
fsck_clean
