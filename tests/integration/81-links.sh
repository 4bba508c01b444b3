#!/bin/bash
# Links that break in each way, with work going on: nobody waits for longer than
# the link's time-out, and what was missed comes by itself when the link is back.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hosts.sh"

hosts_up
lend one
lend two
server_up one
server_up two
replicas_remote 2
mount_near link-timeout=1
cp -a "$SOURCE/src/util" "$MNT/before" || fail "cp"

# works WHAT: changes of each kind go on, whatever is broken; none takes as long as a disk that hangs.
ROUND=0
works() {
	local began=$SECONDS
	ROUND=$((ROUND + 1))
	{
		mkdir "$MNT/$ROUND" && cp -a "$SOURCE/src/format" "$MNT/$ROUND/" && rm -rf "$MNT/before/log.c" &&
		echo "$1" >"$MNT/$ROUND/said" && sync "$MNT/$ROUND/said" && mv "$MNT/$ROUND/said" "$MNT/said.$ROUND"
	} || fail "$1: a program was refused"
	[ $((SECONDS - began)) -le 15 ] || fail "$1: it took $((SECONDS - began)) s"
}

# returns HOST: by itself; and then everybody has everything.
returns() {
	await 60 'in_sync 3' || { status . >&2; fail "$1 did not come back"; }
}

note "the cable is pulled"
unplug one
works "cut"
await 10 'in_sync 2' || fail "the loss is not told"
plug one
returns one

note "what one says does not arrive, what it is told does"
deafen one
works "deaf"
await 10 'in_sync 2' || fail "the loss is not told"
hear one
returns one

note "its machine goes off while the cable is out, and comes up again: half a connection"
unplug two
server_kill two
plug two
works "half-open"
server_up two
returns two

note "mendd ends, and starts again"
server_down one
works "no server"
await 10 'in_sync 2' || fail "the loss is not told"
server_up one
returns one

note "both at once"
unplug one
unplug two
works "alone"
plug one
plug two
returns "one and two"

note "mounted while one is off, and another cannot be reached"
mount_down
server_down one
unplug two
must_fail at near timeout 60 mendfs -f -o link-timeout=1 "${REPLICAS[@]}" "$MNT"
mount_near degraded,link-timeout=1
in_sync 1 || fail "who is in sync?"
works "degraded"
server_up one
plug two
returns "one and two"
all_well_remote
