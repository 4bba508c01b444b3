#!/bin/bash
# What a replica missed is made good: no more than that if it is known, all that
# differs if it is not; cut off it goes on; and never does an old version win.
. "$(dirname "$0")/lib.sh"

# log_wait_new PATTERN SECONDS: such a line comes after those that $SEEN counts.
log_wait_new() {
	local i
	for ((i = 0; i < $2 * 10; i++)); do
		tail -n +$((SEEN + 1)) "$LOG" | grep -q -E -- "$1" && return 0
		alive "$DAEMON" || fail "the daemon ended"
		sleep 0.1
	done
	fail "no new line in the log like: $1"
}
# Of the large file; what sanitizers look at is the same in a smaller one.
MIB=64
[ -z "${SANITIZED:-}" ] || MIB=8

seen() { SEEN=$(wc -l <"$LOG"); }

# figure NAME: what the last "in sync again" says of it.
figure() {
	grep 'in sync again' "$LOG" | tail -n 1 | grep -o -E "[0-9]+ $1" | grep -o -E '^[0-9]+'
}

# away N, back N: the directory is not where it was; it is again.
away() {
	seen
	mv "${REPLICAS[$1]}" "${REPLICAS[$1]}.away" || fail "mv"
	log_wait_new 'failed while|the volume goes on' 10
}
back() { mv "${REPLICAS[$1]}.away" "${REPLICAS[$1]}" || fail "mv"; }

at_rest() { sync -f "$MNT"; sleep 2; }

# in_sync SECONDS: all are, in that time.
in_sync() { await "$1" 'mendctl resync "$MNT" 2>/dev/null | grep -q "all replicas"' || fail "not in sync"; }

plant() {
	mkdir -p "$MNT/d/e" "$MNT/gone"
	dd if=/dev/urandom of="$MNT/large" bs=1M count=$MIB conv=fsync status=none
	for ((i = 0; i < 100; i++)); do echo "$i" >"$MNT/d/e/$i"; done
	echo x >"$MNT/gone/x"
	echo old >"$MNT/file"
}

note "moved away underneath, and back: only what changed is copied"
volume_new 3
mount_up
plant
for f in "$MNT"/d/e/* "$MNT/file"; do dd if=/dev/null of="$f" conv=notrunc,fsync status=none; done
away 2
echo new >"$MNT/file"
mv "$MNT/d/e" "$MNT/d/renamed"
rm -r "$MNT/gone"
for ((i = 0; i < 16; i++)); do
	dd if=/dev/urandom of="$MNT/large" bs=4k count=1 seek=$((i * MIB * 15)) conv=notrunc status=none
done
back 2
log_wait_new 'in sync again' 20
written=$(figure 'bytes of data') tags=$(figure 'of tags written') compared=$(figure compared)
note "changed 65,540 bytes; written $written of data, $tags of tags, $compared compared"
[ "$written" -le $((65540 * 11 / 10)) ] || fail "$written bytes written where 65540 changed"
[ "$written" -ge 65540 ] || fail "the figures are wrong"
same "renamed" 1 "$(figure renamed)"
at_rest
all_well
[ -z "$(ls "${REPLICAS[0]}/.mendfs/pending")" ] || fail "a log of what nobody misses is left"

note "while programs work"
mount_up
away 1
for ((i = 0; i < 3; i++)); do
	(
		cd "$MNT" || exit 1
		end=$((SECONDS + 8))
		for ((k = 0; SECONDS < end; k++)); do
			mkdir -p "w$i/$k/sub" && echo "$k" >"w$i/$k/sub/f" && mv "w$i/$k" "w$i/m$k" &&
			    cp -r "w$i/m$k" "w$i/c$k" && rm -r "w$i/m$k" && ln "w$i/c$k/sub/f" "w$i/l$k" &&
			    dd if=/dev/urandom of=large bs=64k count=4 seek=$((RANDOM % 500)) conv=notrunc status=none &&
			    echo "$k" >>"log$i" || exit 1
		done
	) &
	CHILDREN+=($!)
done
sleep 3
back 1
for c in "${CHILDREN[@]}"; do wait "$c" || fail "a program saw an error"; done
CHILDREN=()
log_wait_new 'in sync again' 60
# Enough of them are left.
rm -rf "$MNT/w1" "$MNT/w2"
at_rest
all_well

note "behind at mount: taken in, and served right from the first moment"
behind() {	# behind CHANGE...: replica 1 misses them
	local all=("${REPLICAS[@]}")
	mv "${REPLICAS[1]}" "${REPLICAS[1]}.away"
	REPLICAS=("${all[0]}" "${all[2]}")
	mount_up degraded
	"$@"
	mount_down
	REPLICAS=("${all[@]}")
	back 1
	seen
}
change() {
	echo "$RANDOM" >"$MNT/file"
	rm -rf "$MNT/d/renamed/1" "$MNT/w0"
	echo born >"$MNT/d/born$RANDOM"
	printf x | dd of="$MNT/large" bs=1 seek=1234567 conv=notrunc status=none
}
behind change
mount_up
same "the new version" "$(cat "${REPLICAS[0]}/file")" "$(cat "$MNT/file")"
[ ! -e "$MNT/w0" ] || fail "a removed tree rose again"
log_wait_new 'in sync again' 20
[ "$(figure 'compared')" -eq 0 ] || fail "more was compared than the log says"
all_well

note "without its log, and with a spoiled one: everything is compared"
for how in remove spoil cut; do
	behind change
	for i in 0 2; do
		log=$(echo "${REPLICAS[i]}"/.mendfs/pending/*)
		[ -s "$log" ] || fail "no log of what is missed"
		case $how in
		remove) rm "$log" ;;
		spoil) flip "$log" 20 ;;
		cut) truncate -s 10 "$log" ;;
		esac
	done
	# Blocks that nobody knows of, as a disk leaves them that lost what it had acknowledged.
	flip "${REPLICAS[1]}/large" 8000000 10
	mount_up
	log_wait_new 'everything is compared' 10
	log_wait_new 'in sync again' 30
	[ "$(figure compared)" -ge $((MIB << 20)) ] || fail "$how: not everything was compared"
	[ "$(figure 'bytes of data')" -lt 1000000 ] || fail "$how: more was written than differs"
	all_well
done

note "the daemon is killed in the midst of it"
many() { for ((i = 0; i < 1500; i++)); do echo "$i" >"$MNT/d/many$i"; done; dd if=/dev/urandom of="$MNT/big2" bs=1M count=$MIB status=none; }
behind many
for ((k = 0; k < 3; k++)); do
	mount_up
	sleep "0.$((k * 3))"
	mount_crash
done
# The last one may have been through before it was killed.
mount_up
in_sync 60
at_rest
all_well

note "the mount ends in the midst of it"
many2() { for ((i = 0; i < 1500; i++)); do echo "$i.2" >"$MNT/d/many$i"; done; dd if=/dev/urandom of="$MNT/big2" bs=1M count=$MIB status=none; }
behind many2
mount_up
mount_down
mount_up
in_sync 60
all_well

note "another directory in its place is left alone"
mount_up
away 1
mkdir "${REPLICAS[1]}"
echo "$RANDOM" >"$MNT/file"
log_wait_new 'without a label' 10
sleep 3
[ -z "$(ls -A "${REPLICAS[1]}")" ] || fail "something was written to another directory"
rmdir "${REPLICAS[1]}"
back 1
log_wait_new 'in sync again' 20

note "what was made and changed on it meanwhile goes to its quarantine"
away 1
echo mine >"${REPLICAS[1]}.away/d/mine"
echo edited >"${REPLICAS[1]}.away/d/many7"
echo theirs >"$MNT/d/theirs"
echo theirs >"$MNT/d/many7"
back 1
log_wait_new 'in sync again' 20
same "the edited file" theirs "$(cat "$MNT/d/many7")"
grep -rq mine "${REPLICAS[1]}/.mendfs/quarantine" || fail "a file made while it was away is nowhere"
grep -rq edited "${REPLICAS[1]}/.mendfs/quarantine" || fail "a version edited while it was away is nowhere"
at_rest
all_well

note "an old copy of it in its place: everything is compared"
cp -a "${REPLICAS[1]}" "$T/copy"
mount_up
echo "$RANDOM" >"$MNT/file"
many
mount_down
rm -r "${REPLICAS[1]}"
mv "$T/copy" "${REPLICAS[1]}"
seen
mount_up
log_wait_new 'older than the others' 10
log_wait_new 'in sync again' 60
same "not the old version" "$(cat "${REPLICAS[0]}/file")" "$(cat "$MNT/file")"
all_well

note "changed without the others: refused"
mount_up
away 1
echo "$RANDOM" >"$MNT/file"
mkdir "$T/mnt2"
mendfs -f -o degraded "${REPLICAS[1]}.away" "$T/mnt2" >"$T/log2" 2>&1 &
other=$!
CHILDREN+=("$other")
for ((i = 0; i < 100; i++)); do mountpoint -q "$T/mnt2" && break; sleep 0.1; done
echo fork >"$T/mnt2/file"
umount "$T/mnt2"
wait "$other"
CHILDREN=()
back 1
log_wait_new 'a fork' 10
sleep 3
same "replica 1" fork "$(cat "${REPLICAS[1]}/file")"
mount_down
