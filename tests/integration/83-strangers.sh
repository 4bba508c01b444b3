#!/bin/bash
# mendd among many: 10,000 connections of strangers leave it serving its client,
# with bounded memory and descriptors; 100 clients that do nothing are cheap; and one writes at a time.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hosts.sh"

needs python3
CROWD=10000
IDLE=100
RSS_MAX=32768	# KiB, with all those

[ -x "$BUILD/tests/integration/idlers" ] || skip "needs tests/integration/idlers, which make check builds"
ulimit -n 16384 2>/dev/null || skip "needs 16,384 descriptors"

rss() { awk '/^VmRSS/ { print $2 }' "/proc/$(serving one)/status"; }
descriptors() { find "/proc/$(serving one)/fd" -mindepth 1 2>/dev/null | wc -l; }

hosts_up
lend one "read-only = $(public_key two)"
server_up one
replicas_remote 1

note "$IDLE clients that do nothing"
coproc IDLERS { MENDFS_KEY=$T/two.key nsenter --net="/run/netns/$(netns near)" "$BUILD/tests/integration/idlers" "${REPLICAS[1]}" $IDLE 2>"$T/idlers.err"; }
# shellcheck disable=SC2153 # set by coproc
PID=$IDLERS_PID
{ read -r -t 60 -u "${IDLERS[0]}" answer && [ "$answer" = ready ]; } || { cat "$T/idlers.err" >&2; fail "not all of them were let in"; }
# A link gives its buffers back when it has been idle for half a second.
sleep 1
idle_rss=$(rss)
note "$idle_rss KiB resident, $(descriptors) descriptors"
[ -n "${SANITIZED:-}" ] || [ "$idle_rss" -lt $RSS_MAX ] || fail "$idle_rss KiB resident with $IDLE idle clients"
TO=${IDLERS[1]}
exec {TO}>&-
wait "$PID" || { cat "$T/idlers.err" >&2; fail "an idle client was lost"; }

note "$CROWD strangers, and another mount, which may not write meanwhile"
mount_near link-timeout=3
mkdir "$T/other" "$T/other.mnt"
MOUNTS+=("$T/other.mnt")
nsenter --net="/run/netns/$(netns near)" timeout 60 mendfs -f -o adopt "$T/other" "${REPLICAS[1]}" "$T/other.mnt" >"$T/other.out" 2>&1 &
OTHER=$!
CHILDREN+=("$OTHER")
cat >"$T/crowd.py" <<'EOF'
import selectors, socket, sys, time
address, count, kind = (sys.argv[1], int(sys.argv[2])), int(sys.argv[3]), 0
greeted = said = 0
sockets = []
for n in range(count):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(address)
    sockets.append(s)
    if n % 100 == 99:
        time.sleep(0.002)
        for i, s in enumerate(sockets[n - 99:n + 1]):
            try:
                # Some say nothing, some nonsense, some too much of it.
                if i % 3:
                    s.send(b"mendfs-c" + b"\1\0" + bytes(i * 30))
                    said += 1
            except OSError:
                pass
print("sent", said, flush=True)
sys.stdin.read()
for s in sockets:
    try:
        data = b""
        while True:
            more = s.recv(100)
            if not more:
                break
            data += more
    except OSError:
        pass
    if len(data) > 16:
        sys.exit("a stranger was told %d bytes: %r" % (len(data), data))
    greeted += len(data) == 16
print("greeted", greeted)
EOF
coproc STRANGERS { nsenter --net="/run/netns/$(netns near)" python3 "$T/crowd.py" "${ADDRESS[one]}" $PORT $CROWD 2>"$T/crowd.err"; }
PID=$STRANGERS_PID
# While they come:
for ((i = 0; i < 40; i++)); do
	echo "$i" >"$MNT/$i" || fail "the client was refused"
	[ "$(descriptors)" -le 400 ] || fail "$(descriptors) descriptors"
done
sync -f "$MNT"
read -r -t 60 -u "${STRANGERS[0]}" answer || { cat "$T/crowd.err" >&2; fail "the strangers were not through"; }
cp -a "$SOURCE/src/format" "$MNT/" || fail "the client was refused"
crowd_rss=$(rss)
note "$answer; $crowd_rss KiB resident, $(descriptors) descriptors"
[ -n "${SANITIZED:-}" ] || [ "$crowd_rss" -lt $RSS_MAX ] || fail "$crowd_rss KiB resident with strangers"
TO=${STRANGERS[1]}
exec {TO}>&-
wait "$PID" || { cat "$T/crowd.err" >&2; fail "strangers"; }
wait "$OTHER" && fail "two write to one export"
grep -q "${REPLICAS[1]}.*in use" "$T/other.out" || { cat "$T/other.out" >&2; fail "it is not said that it is in use"; }
in_sync 2 || fail "the client was lost"
[ "$(grep -c 'connection is lost' "$LOG")" = 0 ] || fail "the client was lost for a while"

note "a new client, while strangers hold all places"
mount_down
coproc STRANGERS { nsenter --net="/run/netns/$(netns near)" python3 "$T/crowd.py" "${ADDRESS[one]}" $PORT 400 2>"$T/crowd.err"; }
PID=$STRANGERS_PID
read -r -t 60 -u "${STRANGERS[0]}" answer || fail "the strangers were not through"
mount_near link-timeout=3
TO=${STRANGERS[1]}
exec {TO}>&-
wait "$PID" || { cat "$T/crowd.err" >&2; fail "strangers"; }
all_well_remote
server_down one
