#!/bin/bash
# One replica here and two on other machines, whose lines break in every way, whose
# servers are killed and whose disks rot, fill and lose power, under load: the
# oracle sees no wrong byte and no error, and in the end all are equal and clean.
# Every other seed with ack=fsync.
#
# CHAOS_SEED=n: other choices.  CHAOS_SECONDS=n: for so long; LONG=1: an hour.
# shellcheck disable=SC2034 # chaos.sh reads it
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hosts.sh"
. "$(dirname "$0")/chaos.sh"

SEED=${CHAOS_SEED:-3}
HOSTS=('' one two)	# where each replica is
DELAY_MAX=10		# ms, each way, of the proxy that "one" is behind

# ---- the volume: an ext4 here, an XFS and a Btrfs on two other machines

volume_new 0
hosts_up
for type in ext4 xfs btrfs; do
	replica_on $type $type 1G
	STORES+=("$REPLICA")
done
DISKS=("${STORES[@]%/r}")
TYPES=(ext4 xfs btrfs)
MENDD_SETTINGS=('trusted-xattrs = yes')	# the oracle makes some
for i in 1 2; do
	LENDS[${HOSTS[i]}]=${STORES[i]}
	lend "${HOSTS[i]}"
	server_up "${HOSTS[i]}"
done
trust 127.0.0.1:7000 one
proxy_up 127.0.0.1 7000 "${ADDRESS[one]}" $PORT
REPLICAS=("${STORES[0]}" mend://127.0.0.1:7000/e "mend://${ADDRESS[two]}/e")
WAYS=('moved unmounted shutdown'
	'unplugged deaf held_up held_down dropped server_killed server_stopped powerless'
	'unplugged deaf mute server_killed server_stopped')	# no Btrfs can be shut down
NOTICED='shutdown powerless'

# What is mounted from the disks goes before them.
end_going() {
	local status=$?
	if [ -n "$DAEMON" ]; then umount -l "$MNT"; end_process "$DAEMON" KILL; fi 2>/dev/null
	for i in 1 2; do alive "${SERVER[${HOSTS[i]}]}" && server_kill "${HOSTS[i]}"; done
	await 10 'let_go 0 && let_go 1 && let_go 2'
	(exit $status)
	cleanup
}
trap end_going EXIT

# ---- ways in which a line breaks

lose_unplugged() { unplug "${HOSTS[$1]}"; }
give_back_unplugged() { plug "${HOSTS[$1]}"; }
lose_deaf() { deafen "${HOSTS[$1]}"; }
give_back_deaf() { hear "${HOSTS[$1]}"; }
lose_mute() { silence "${HOSTS[$1]}"; }
give_back_mute() { speak "${HOSTS[$1]}"; }

# Somebody in between takes what comes, and hands on nothing.
lose_held_up() { proxy hold up; }
lose_held_down() { proxy hold down; }
give_back_held_up() { proxy release; }
give_back_held_down() { proxy release; }
# Reset, and then nothing answers.
lose_dropped() { proxy hold up && proxy drop; }
give_back_dropped() { proxy release; }

# ---- ways in which a machine fails

lose_server_killed() { server_kill "${HOSTS[$1]}"; }
give_back_server_killed() { server_up "${HOSTS[$1]}"; }
lose_server_stopped() { STOPPED[$1]=$(serving "${HOSTS[$1]}") && kill -STOP "${STOPPED[$1]}"; }
give_back_server_stopped() { kill -CONT "${STOPPED[$1]}"; }
# What its disk had not written yet is lost.
lose_powerless() { unplug "${HOSTS[$1]}" && lose_shutdown "$1" && server_kill "${HOSTS[$1]}"; }
give_back_powerless() { give_back_shutdown "$1" && plug "${HOSTS[$1]}" && server_up "${HOSTS[$1]}"; }

# ---- what else can happen

# On the line through the proxy, which nobody has lost at present.
incident() {
	local before
	before=$(log_count 'connection is lost')
	case $((RANDOM % 4)) in
	0 | 1)
		proxy delay $((RANDOM % DELAY_MAX))
		note "the line to replica 1 is longer, or shorter"
		return
		;;
	2) proxy flip up $((RANDOM % 20000)) ;;
	3) proxy cut down $((RANDOM % 20000)) ;;
	esac
	note "something happens on the line to replica 1"
	await $LOSE_S '[ "$(log_count "connection is lost")" -gt '"$before"' ]' || fail "what happened on the line was not noticed"
	all_back
}

ACKS=(write fsync)
OPTIONS=timeout=4,link-timeout=3,ack=${ACKS[SEED % 2]}
note "$OPTIONS"
chaos_mount mount_near "$OPTIONS"
chaos_run
chaos_end
# fsck_far WHAT REPLICA...: it finds nothing.
fsck_far() {
	at near fsck.mendfs -n "${@:2}" >"$T/fsck.out" 2>&1 || { tail -n 30 "$T/fsck.out" >&2; fail "fsck.mendfs -n, $1: status $?"; }
}
fsck_far "from here" "${REPLICAS[@]}"
server_down one
server_down two
fsck_far "on the disks" "${STORES[@]}"
