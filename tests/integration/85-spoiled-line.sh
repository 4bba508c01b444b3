#!/bin/bash
# A line that changes, cuts and repeats what goes over it: that is noticed, nothing
# of it comes into any file, and a new connection goes on.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hosts.sh"

hosts_up
lend one
server_up one
volume_new 1
# shellcheck disable=SC2034 # all_well_remote goes by it
LENT=("${REPLICAS[0]}" "$BASE/one")
REPLICAS+=("mend://127.0.0.1:7000/e")
trust 127.0.0.1:7000 one
proxy_up 127.0.0.1 7000 "${ADDRESS[one]}" $PORT

# work: something of each kind goes both ways.
WORKS=0
work() {
	WORKS=$((WORKS + 1))
	cp -a "$SOURCE/src/hash" "$MNT/$WORKS" && cat "$SOURCE/src/LAYERS" >>"$MNT/grows" && sync "$MNT/grows" ||
	    fail "$1: a program was refused"
}

# breaks WHAT PROXY-COMMAND...: the connection ends by it, and another one follows.
breaks() {
	local what=$1 before
	shift
	before=$(log_count 'connection is lost')
	proxy "$@"
	work "$what"
	await 20 '[ "$(log_count "connection is lost")" -gt '"$before"' ]' || fail "$what: it was not noticed"
	await 30 'in_sync 2' || fail "$what: no new connection"
}

note "the first connection is recorded"
proxy record
mount_near link-timeout=2
work "at first"

note "bits are turned over"
for at in 1 ${LONG:+17 400 4000 20000}; do
	breaks "flip up $at" flip up "$at"
	breaks "flip down $at" flip down $((at / 2 + 1))
done

note "the stream is cut in the midst"
breaks "cut up" cut up 3001
[ -z "$LONG" ] || breaks "cut down" cut down 77
breaks "reset" drop

note "nothing comes, and nothing ends"
proxy hold up
work "held up"
await 10 'in_sync 1' || fail "held up: it was not noticed"
proxy release
await 30 'in_sync 2' || fail "held up: no new connection"

note "what was recorded is played to the server: all of it, the first message, half of that"
before=$(log_count 'connection is lost')
first=16	# the client's greeting
for bytes in 0 $((first + 400)) $((first + 100)) $first 7; do
	proxy replay "$bytes"
	# The greeting, and an answer that only the one who has the key can read.
	[ "$ANSWER" -le 400 ] || fail "a recording of $bytes bytes was told $ANSWER bytes"
	note "$bytes bytes: answered with $ANSWER"
done
work "after the recording"
[ "$(log_count 'connection is lost')" = "$before" ] || fail "a recording took the lease"
in_sync 2 || fail "the client was lost"
all_well_remote
must cmp "${LENT[0]}/grows" <(for ((i = 0; i < WORKS; i++)); do cat "$SOURCE/src/LAYERS"; done)
