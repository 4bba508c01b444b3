#!/bin/bash
# mendctl explain says of each replica what is so on its disk, whatever is
# cached, and changes nothing.
. "$(dirname "$0")/lib.sh"

needs jq filefrag python3
volume_new 2 ext4
mount_up
explain() { mendctl explain --json "$@" >"$T/explain"; }	# its exit status
get() { jq -r "$1 | if . == null then error else . end" "$T/explain" || echo "no $1 in $(cat "$T/explain")"; }
look() { explain "$1"; same "exit status of explain $1" "$2" $?; }	# look PATH STATUS

mkdir "$MNT/d" "$MNT/d/e"
head -c 3000000 /dev/urandom >"$MNT/large"
head -c 10000 /dev/urandom >"$MNT/d/small"
for i in 1 2 3 4 5 6; do echo $i >"$MNT/d/$i"; done
ln -s target "$MNT/link"
mkfifo "$MNT/fifo"
printf 'x' >"$MNT/d/$(printf 'odd \n\377"')"
remount

# ---- sound, in memory or not
for f in large d/small d link fifo . d/e; do look "$MNT/$f" 0; done
look "$MNT/d/$(printf 'odd \n\377"')" 0
look "$MNT/d/small" 0
same "what it says" "file true 10000 sound sound" \
    "$(get '"\(.file_type) \(.sound) \(.size) \(.replicas[0].state) \(.replicas[1].state)"')"
same "which is read" "home $(($(get .id) % 2))" "$(get '"\(.reader_why) \(.reader)"')"
cat "$MNT/large" >/dev/null
look "$MNT/large" 0
same "in use" true "$(get .in_memory)"
must mendctl explain "$MNT/large" >"$T/out"
grep -q 'sound on all replicas' "$T/out" || fail "in words: $(cat "$T/out")"

# ---- the disk, not the cache: the image below changes, the page above does not
remount
kib=$(filefrag -b1024 -v "${REPLICAS[1]}/d/small" | awk '$1 == "0:" { sub(/\.\..*/, "", $4); print $4 }')
[ -n "$kib" ] || fail "where is it on disk? $(filefrag -b1024 -v "${REPLICAS[1]}/d/small")"
cat "${REPLICAS[1]}/d/small" >/dev/null
printf '\252\125\252\125' | dd of="$T/v1-r1.img" bs=1 seek=$((kib * 1024 + 100)) conv=notrunc status=none
cmp -s "${REPLICAS[0]}/d/small" "${REPLICAS[1]}/d/small" || fail "the cached page is spoiled, too"
look "$MNT/d/small" 3
same "rot below the cache" '1 [{"offset":0,"length":4096}]' "$(get '"\(.replicas[1].bad.blocks) \(.replicas[1].bad.ranges)"')"
same "the other" 0 "$(get '.replicas[0].bad.blocks')"
uncached "${REPLICAS[1]}/d/small"

# ---- nothing is changed by it: no byte, no name, no time, no access time
for i in 0 100 700; do flip "${REPLICAS[0]}/large" $((i * 4096 + 7)); done
flip "${REPLICAS[1]}/large" $((100 * 4096 + 7))
setfattr -x user.mendfs "${REPLICAS[0]}/d/1"
rm "${REPLICAS[0]}/d/2"
rm "${REPLICAS[0]}/d/3"; mkdir "${REPLICAS[0]}/d/3"
truncate -s 1 "${REPLICAS[0]}/d/4"
chmod 600 "${REPLICAS[0]}/d/5"
cp --preserve=all "${REPLICAS[0]}/d/6" "$T/keep"
touch "${REPLICAS[0]}/d/6"
touch "${REPLICAS[1]}/d/extra"
cksum "${REPLICAS[@]/%//large}" "${REPLICAS[@]/%//d/4}" "${REPLICAS[@]/%//d/6}" >"$T/sums.before"
all=()
for r in "${REPLICAS[@]}"; do all+=("$r" "$r/d" "$r/d/"[1-6] "$r/large" "$r/link" "$r/.mendfs" "$r/.mendfs/tags"); done
touch -a -h -d '2001-01-01' "${all[@]}" 2>/dev/null
stat -c '%n %x' "${all[@]}" >"$T/atimes" 2>/dev/null
state() {	# state PATH FIRST SECOND
	look "$MNT/$1" 3
	same "states of $1" "$2 $3" "$(get '"\(.replicas[0].state) \(.replicas[1].state)"')"
	[ "$(jq '.replicas | map(has("remedy") or has("data_remedy")) | any' "$T/explain")" = true ] || fail "no remedy for $1"
}
state large sound sound
same "bad on the first" '3 [{"offset":0,"length":4096},{"offset":409600,"length":4096},{"offset":2867200,"length":4096}]' \
    "$(jq -rc '"\(.replicas[0].bad.blocks) \(.replicas[0].bad.ranges)"' "$T/explain")"
same "lost" 1 "$(get .lost.blocks)"
state d/1 no-record sound
state d/2 missing sound
state d/3 other-type sound
state d/4 wrong-size sound
state d/5 metadata-differs sound
state d/6 sound sound
same "seal" "true false" "$(jq -r '"\(.replicas[0].seal_broken) \(.replicas[1].seal_broken)"' "$T/explain")"
state d sound sound
same "names that differ" '2: 2 [1], extra [1]' \
    "$(jq -rc '"\(.names_differ): " + (.differing | map("\(.name) \(.replicas | tojson)") | join(", "))' "$T/explain")"
mendctl explain "$MNT/d" >"$T/out"; same "in words" 3 $?
grep -q 'extra: only on' "$T/out" || fail "in words: $(cat "$T/out")"
stat -c '%n %x' "${all[@]}" >"$T/atimes.now" 2>/dev/null
diff "$T/atimes" "$T/atimes.now" >&2 || fail "access times changed"
cksum "${REPLICAS[@]/%//large}" "${REPLICAS[@]/%//d/4}" "${REPLICAS[@]/%//d/6}" >"$T/sums"
cmp "$T/sums.before" "$T/sums" || fail "bytes changed"
[ ! -e "${REPLICAS[0]}/d/2" ] && [ -d "${REPLICAS[0]}/d/3" ] && [ -e "${REPLICAS[1]}/d/extra" ] || fail "a name was mended"
grep -q '^.*mended' "$LOG" && fail "something was mended: $(grep mended "$LOG")"

# ---- what it says would be done is done
cat "$MNT"/d/[1-6] >/dev/null
await 10 'explain "$MNT/d/2" && explain "$MNT/d/3" && explain "$MNT/d/1"' || fail "not mended by use: $(cat "$T/explain")"

# ---- wrong words, wrong paths
for words in '' '--no-option' "$MNT $MNT"; do
	# shellcheck disable=SC2086
	mendctl explain $words >"$T/out" 2>&1; same "mendctl explain $words" 2 $?
done
for path in "$MNT/nothing" "$MNT/nothing/below" "$MNT/.mendfs" "$MNT/.mendfs/label" /; do
	mendctl explain "$path" >"$T/out" 2>&1; same "mendctl explain $path" 1 $?
	same "lines" 1 "$(wc -l <"$T/out")"
done

# ---- in use, and changing all the while: what is sound is called sound
rm "$MNT/large"
python3 - "$MNT" <<'END' &
import os, random, sys
fd = os.open(sys.argv[1] + '/busy', os.O_RDWR | os.O_CREAT)
for i in range(20000):
    os.pwrite(fd, os.urandom(random.randint(1, 9000)), random.randrange(1500000))
    if i % 50 == 0: os.ftruncate(fd, random.randrange(1500000))
    if i % 500 == 0: os.fsync(fd)
END
writer=$!
CHILDREN+=("$writer")
await 5 '[ -s "$MNT/busy" ]' || fail "the writer does not write"
for ((i = 0; i < 15; i++)); do
	explain "$MNT/busy" || { [ "$(get .changing)" = true ] || fail "called unsound while written to: $(cat "$T/explain")"; }
	alive $writer || break
done
kill $writer 2>/dev/null
wait $writer 2>/dev/null

# ---- one is away
umount -l "$T/v1-r1.fs"
await 5 '! mendctl status "$MNT" >/dev/null' || fail "not degraded"
look "$MNT/d/small" 3
same "the one that is away" "only away" "$(get '"\(.reader_why) \(.replicas[1].state)"')"
mount "${LOOPS[1]}" "$T/v1-r1.fs"
await 20 'mendctl status "$MNT" >/dev/null' || fail "not in sync again"
mount_down
