#!/bin/bash
# A replica at the end of a long line: what each operation costs in round trips,
# and what a scrub and a resync cost in bytes.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hosts.sh"

needs python3 jq
RTT=${RTT:-10}		# ms
WRITES=30

# ms COMMAND...: how long it took, into MS.
ms() {
	local began
	began=$(date +%s%N)
	"$@" || fail "$*"
	MS=$((($(date +%s%N) - began) / 1000000))
}

# waits: how often somebody waited for an answer of the replica, so far.
waits() { status '.replicas[1].link.round_trips'; }

# costs WHAT COUNT MOST COMMAND...: it waits for the line so often each, at most, in hundredths.
costs() {
	local what=$1 count=$2 most=$3 before got
	shift 3
	before=$(waits)
	"$@" || fail "$what"
	got=$((($(waits) - before) * 100 / count))
	note "$what: $((got / 100)).$(printf %02d $((got % 100))) round trips each"
	[ $got -le "$most" ] || fail "$what: more than $most hundredths of a round trip"
}

cat >"$T/work.py" <<'EOF'
import os, sys, threading
what, top, count, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
block = os.urandom(4096)
def write(n):
    fd = os.open("%s/w%d" % (top, n), os.O_WRONLY)
    for i in range(count):
        os.pwrite(fd, block, 4096 * i)
    os.close(fd)
def create(n):
    for i in range(count):
        fd = os.open("%s/c%d.%d" % (top, n, i), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(fd, block)
        os.close(fd)
def synced(n):
    fd = os.open("%s/w%d" % (top, n), os.O_WRONLY)
    for i in range(count):
        os.pwrite(fd, block, 4096 * i)
    os.fsync(fd)
    os.close(fd)
def name(n):
    for i in range(count):
        os.rename("%s/c%d.%d" % (top, n, i), "%s/d%d.%d" % (top, n, i))
work = {"write": write, "create": create, "synced": synced, "name": name}[what]
all = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
for t in all: t.start()
for t in all: t.join()
EOF
work() { python3 "$T/work.py" "$1" "$MNT" "$2" "${3:-1}"; }

hosts_up
lend one
server_up one
volume_new 1
# shellcheck disable=SC2034 # all_well_remote goes by it
LENT=("${REPLICAS[0]}" "$BASE/one")
REPLICAS+=("mend://127.0.0.1:7000/e")
trust 127.0.0.1:7000 one
proxy_up 127.0.0.1 7000 "${ADDRESS[one]}" $PORT

mount_near
for ((i = 0; i < 16; i++)); do head -c 400000 /dev/urandom >"$MNT/w$i"; done
# settled: nothing is to be proved or stored any more that would be measured, too.
settled() { sync -f "$MNT" && await 30 '[ "$(status ".pending.to_prove + .pending.to_store")" = 0 ]' || fail "it does not settle"; }
settled

note "ack=write, $RTT ms"
proxy delay $((RTT / 2))
work write 1	# opened everywhere
# With what the flusher waits for meanwhile, which nobody else does: a new file's record.
costs "write(2)" $WRITES 150 work write $WRITES
costs "create, write, close" $WRITES 350 work create $WRITES
costs "rename" $WRITES 250 work name $WRITES
proxy delay 20
ms work write 10
one=$MS
ms work write 10 16
note "16 writers at the same time: $((16 * one / MS)) times one ($one ms, $MS ms)"
[ -n "${SANITIZED:-}" ] || [ $((16 * one)) -ge $((12 * MS)) ] || fail "16 writers: $MS ms, one: $one ms"

note "a scrub moves sums of tags"
proxy delay 0
head -c 64M /dev/urandom >"$MNT/large" || fail "large"
settled
before=$(proxy_bytes)
must mendctl scrub start --wait "$MNT" >/dev/null
scrubbed=$(($(proxy_bytes) - before))
note "$scrubbed bytes for 70 MB"
[ $scrubbed -lt 70000 ] || fail "a scrub moved $scrubbed bytes"

note "a resync moves what has changed"
# The others are durable there; this one is compared as a whole: when the line is cut it is not known what of it is.
mount_down
mount_near
# As soon as it is back, the patrol may prove the file, before we have looked: the least of a few.
for try in 1 2 3; do
	dd if=/dev/urandom of="$MNT/large" bs=4096 count=1 conv=notrunc status=none || fail "dd"
	settled
	proxy hold up
	proxy drop
	await 20 'in_sync 1' || fail "the loss is not told"
	dd if=/dev/urandom of="$MNT/large" bs=4096 count=1 seek=$((5000 + try)) conv=notrunc status=none || fail "dd"
	sync "$MNT/large"
	before=$(proxy_bytes)
	proxy release
	await 60 'in_sync 2' || fail "it did not come back"
	resynced=$(($(proxy_bytes) - before))
	note "$resynced bytes for one block of 64 MiB"
	[ $resynced -ge 65536 ] || break
done
[ $resynced -lt 65536 ] || fail "a resync of one block moved $resynced bytes"
all_well_remote

note "ack=fsync, $RTT ms"
mount_near ack=fsync
work write 1
proxy delay $((RTT / 2))
costs "write(2)" $WRITES 20 work write $WRITES
costs "$WRITES writes and fsync" 1 1000 work synced $WRITES
proxy delay 0
all_well_remote
