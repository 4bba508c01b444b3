#!/bin/bash
# mendd as a service: what it refuses to start with, the background, sockets that it
# is handed, readiness, the end, and what it has given up.
. "$(dirname "$0")/lib.sh"

needs python3
PORT=$((20000 + $$ % 20000))
must mendctl key new -f "$T/key" >/dev/null
KEY=$(mendctl key show "$T/key")
mkdir "$BASE/e"
cat >"$T/good.conf" <<EOF
listen = 127.0.0.1:$PORT
key-file = $T/key
[export e]
directory = $BASE/e
write = $KEY
EOF

# refused WHAT PATTERN ARGUMENT...: it does not start, and says why in one line.
refused() {
	local what=$1 pattern=$2 status
	shift 2
	timeout 20 mendd "$@" >"$T/refused.out" 2>&1
	status=$?
	{ [ $status = 1 ] || [ $status = 2 ]; } || fail "$what: exit status $status"
	grep -q -E -- "$pattern" "$T/refused.out" || { cat "$T/refused.out" >&2; fail "$what: no line like $pattern"; }
	[ "$(wc -l <"$T/refused.out")" = 1 ] || fail "$what: not one line"
}
listens() { python3 -c 'import socket, sys; s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5); sys.exit(s.recv(16)[:8] != b"mendfs-s")' $PORT 2>/dev/null; }
gone() { ! listens; }

note "what it does not start with"
refused "no file" "$T/none.conf: No such file" -c "$T/none.conf"
sed 's/^write = .*/write = nobody/' "$T/good.conf" >"$T/bad.conf"
refused "a bad key" "$T/bad.conf:5: write.*mendctl key show" -c "$T/bad.conf"
sed "s|$T/key|$T/nokey|" "$T/good.conf" >"$T/bad.conf"
refused "no key" "$T/nokey" -c "$T/bad.conf"
cp "$T/key" "$T/open.key" && chmod 644 "$T/open.key"
sed "s|$T/key|$T/open.key|" "$T/good.conf" >"$T/bad.conf"
refused "a key that others can read" "$T/open.key" -c "$T/bad.conf"
sed 's/^listen = .*/listen = 192.0.2.1:1/' "$T/good.conf" >"$T/bad.conf"
refused "an address that is not ours" 'listen = 192.0.2.1:1: ' -c "$T/bad.conf"
refused "an option" 'mendd -h' --nonsense
refused "a relative path" 'absolute' --stdio e

note "in the background"
must mendd -c "$T/good.conf"
listens || fail "it came back, and does not listen"
PID=$(pgrep -f "^mendd -c $T/good.conf" | head -n 1)
SERVES=$(pgrep -P "$PID") || fail "nothing serves"
UNDO+=("kill $PID 2>/dev/null")
refused "a second one" 'in use' -c "$T/good.conf"
[ "$(readlink "/proc/$SERVES/fd/1")" = /dev/null ] || fail "it holds the terminal"
if [ -z "${SANITIZED:-}" ]; then
	grep -q '^Seccomp:.2' "/proc/$SERVES/status" || fail "no filter"
	grep -q '^CapEff:.000000008800001f' "/proc/$SERVES/status" || fail "capabilities: $(grep CapEff "/proc/$SERVES/status")"
fi
grep -q '^NoNewPrivs:.1' "/proc/$SERVES/status" || fail "it can gain privileges"
kill -TERM "$PID"
await 10 gone || fail "it does not end"
await 10 "! kill -0 $SERVES 2>/dev/null" || fail "the process that serves stays behind"

note "what serves ends with who started it"
mendd -f -c "$T/good.conf" >"$T/log" 2>&1 &
PID=$!
await 10 listens || fail "it does not listen"
SERVES=$(pgrep -P "$PID")
{ kill -KILL "$PID" && wait "$PID"; } 2>/dev/null
await 10 "! kill -0 $SERVES 2>/dev/null" || fail "the process that serves stays behind"
mendd -f -c "$T/good.conf" >"$T/log" 2>&1 &
PID=$!
await 10 listens || fail "it does not listen"
kill -KILL "$(pgrep -P "$PID")"
wait "$PID" && fail "it goes on with nobody that serves"

note "a socket that is handed over, and word that it is ready"
cat >"$T/activate.py" <<'EOF'
import os, socket, sys
port, path = int(sys.argv[1]), sys.argv[2]
ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
ready.bind(path)
ready.settimeout(20)
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", port))
listener.listen()
pid = os.fork()
if pid == 0:
    os.dup2(listener.fileno(), 3)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", NOTIFY_SOCKET=path)
    os.execvp("mendd", ["mendd", "-f", "-c", sys.argv[3]])
assert ready.recv(100) == b"READY=1"
client = socket.create_connection(("127.0.0.1", port), 5)
assert client.recv(16)[:8] == b"mendfs-s"
os.kill(pid, 15)
assert os.waitpid(pid, 0)[1] == 0
EOF
sed 's/^listen = .*/listen = 192.0.2.1:1/' "$T/good.conf" >"$T/handed.conf"
must timeout 30 python3 "$T/activate.py" $PORT "$T/notify" "$T/handed.conf"
