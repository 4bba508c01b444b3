#!/bin/bash
# mendctl reaches the daemon of a mount, and nobody else does; what it is fed
# besides requests does it no harm.
. "$(dirname "$0")/lib.sh"

needs jq python3
volume_new 2
mount_up
socket=/run/mendfs/$(mountpoint -d "$MNT")
[ -S "$socket" ] || fail "no socket $socket"
[ "$(stat -c %a "$socket")" = 600 ] || fail "the socket's mode: $(stat -c %a "$socket")"
[ "$(stat -c %a /run/mendfs)" = 700 ] || fail "the folder's mode"

same "resync, nobody away" "all replicas are in sync" "$(must mendctl resync "$MNT")"
same "with a slash" "all replicas are in sync" "$(must mendctl resync "$MNT/")"

# refused STATUS TEXT WORD...: mendctl says so, on one line that holds the text.
refused() {
	local want=$1 text=$2 status
	shift 2
	mendctl "$@" >"$T/out" 2>"$T/err" </dev/null
	status=$?
	[ "$status" = "$want" ] || fail "mendctl $*: exit status $status, wanted $want: $(cat "$T/err")"
	[ ! -s "$T/out" ] || fail "mendctl $*: wrote $(cat "$T/out")"
	grep -qF -- "$text" "$T/err" || fail "mendctl $*: wanted '$text', got: $(cat "$T/err")"
}
mkdir "$MNT/dir"
refused 2 'usage'
refused 2 'no such command' fly "$MNT"
refused 2 'which mountpoint' resync
refused 2 'one mountpoint' resync "$MNT" "$MNT"
refused 1 'not on a mounted mendfs volume' resync /
refused 1 'is not a mountpoint; its volume is mounted at' resync "$MNT/dir"
refused 1 'No such file' resync "$T/nothing/there"

# Garbage: an answer that says what is wrong, or a hung up line, and it listens on.
feed() {	# feed: standard input goes there; what comes back
	python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
try:
    s.sendall(sys.stdin.buffer.read())
    s.shutdown(socket.SHUT_WR)
    while chunk := s.recv(65536):
        sys.stdout.buffer.write(chunk)
except (BrokenPipeError, ConnectionResetError):
    pass' "$socket"
}
for garbage in '' 'x' '{' '[]' '{}' '{"command":7}' '{"command":"fly"}' '{"command":"resync","command":"resync"}' '"resync"' 'null'; do
	echo "$garbage" | feed | jq -es 'length == 2 and .[0].type == "error" and .[1] == {"type":"end","exit":2}' >/dev/null ||
	    fail "to '$garbage' it said $(echo "$garbage" | feed)"
done
head -c 65000 /dev/zero | tr '\0' '[' | { cat; echo; } | feed | grep -q '"error"' || fail "deep nesting"
head -c 70000 /dev/urandom | tr -d '\n' | feed >/dev/null
head -c 1000 /dev/urandom | feed >/dev/null
printf '{"command":"resync"}' | feed | grep . && fail "a line that does not end is no request"
same "after garbage" "all replicas are in sync" "$(must mendctl resync "$MNT")"

# Who is not the daemon's user does not come in.
if command -v setpriv >/dev/null; then
	setpriv --reuid 65534 --clear-groups "$BUILD/mendctl" resync "$MNT" 2>"$T/err" && fail "another user was let in"
	grep -q 'another user' "$T/err" || fail "to another user it says: $(cat "$T/err")"
fi

# A lost replica that is there again is looked for at once.
mv "${REPLICAS[1]}" "${REPLICAS[1]}.away"
await 5 'mendctl resync "$MNT" | grep -q "1 not in sync"' || fail "the loss was not noticed"
mv "${REPLICAS[1]}.away" "${REPLICAS[1]}"
await 10 'mendctl resync "$MNT" | grep -q "all replicas"' || fail "it did not come back"

# With the daemon goes its socket; what a killed one leaves behind says nothing.
ours=$(stat -c %i.%Z "$socket")
all_well
# Another mount may have the number by now, and a socket of its own.
[ "$(stat -c %i.%Z "$socket" 2>/dev/null)" != "$ours" ] || fail "$socket is still there"
mount_up
mount_kill
refused 1 'no daemon listens' resync "$MNT"
umount -l "$MNT"
