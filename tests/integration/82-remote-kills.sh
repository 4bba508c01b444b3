#!/bin/bash
# Either end killed with SIGKILL at random moments, with work under way: what was
# acknowledged is there, on each machine; nothing is half.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hosts.sh"

ROUNDS=${ROUNDS:-$([ -n "$LONG" ] && echo 40 || echo 4)}
SEED=${SEED:-$$}
RANDOM=$SEED
note "SEED=$SEED ROUNDS=$ROUNDS"

hosts_up
lend one
lend two
server_up one
server_up two
replicas_remote 2

# content TEXT I: what must be in the file.
content() { head -c $((($2 + 1) * 9770 % 300000)) <(yes "$1"); }

# work N: files whose name tells what must be in them, until something fails; each that was synced is noted.
work() {
	local i
	for ((i = 0; i < 100000; i++)); do
		{ content "$1.$i" "$i" >"$MNT/w$1/new" && sync "$MNT/w$1/new" &&
		    mv "$MNT/w$1/new" "$MNT/w$1/$i" && sync "$MNT/w$1"; } 2>/dev/null || return 0
		echo "$i" >>"$T/done.$1"
		[ ! -e "$T/stop" ] || return 0
	done
}

# acknowledged DIR: what was noted as synced is there, and right.
acknowledged() {
	local n i
	for n in 1 2; do
		while read -r i; do
			content "$n.$i" "$i" | cmp -s - "$1/w$n/$i" || fail "$1/w$n/$i is not what was synced (SEED=$SEED)"
		done <"$T/done.$n"
	done
}

mount_near link-timeout=1
mkdir "$MNT/w1" "$MNT/w2"
for ((round = 1; round <= ROUNDS; round++)); do
	rm -rf "$T/stop" "$MNT"/w?/*
	: >"$T/done.1"
	: >"$T/done.2"
	work 1 &
	WORK1=$!
	work 2 &
	WORK2=$!
	sleep "0.$((RANDOM % 9))$((RANDOM % 10))"
	if [ $((round % 2)) = 0 ]; then
		mount_crash
		wait $WORK1 $WORK2
		mount_near link-timeout=1
	else
		for host in one two; do [ $((RANDOM % 3)) = 0 ] || server_kill $host; done
		sleep "0.$((RANDOM % 9))"
		touch "$T/stop"
		wait $WORK1 $WORK2
		for host in one two; do alive "${SERVER[$host]}" || server_up $host; done
	fi
	for n in 1 2; do [ -s "$T/done.$n" ] || note "round $round: worker $n came to nothing"; done
	acknowledged "$MNT"
	await 60 'in_sync 3' || { status . >&2; fail "not all came back (SEED=$SEED)"; }
done
note "$(cat "$T"/done.? | wc -l) files were synced in the last round"
all_well_remote
for where in "${LENT[@]}"; do acknowledged "$where"; done
