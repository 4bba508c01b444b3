# hosts.sh -- three machines for the integration tests of remote replicas.
# Sourced after lib.sh.
#
# Network namespaces stand for the machines: "near", where things are mounted,
# "one" and "two", which lend directories.  A veth pair leads from near to each
# of the others.  What is mounted is seen by all, for they share the rest.
#
# shellcheck shell=bash disable=SC2034 # what is set here is read elsewhere

needs ip nsenter

declare -A ADDRESS=([one]=10.77.1.2 [two]=10.77.2.2)
declare -A NEAR_ADDRESS=([one]=10.77.1.1 [two]=10.77.2.1)
declare -A SERVER=()	# process ids of mendd
declare -A LENDS=()	# directories that are lent, if others than BASE/HOST
MENDD_SETTINGS=()	# further lines of its configuration, before the export
PORT=6363

netns() { echo "mendfs-$$-$1"; }
# at HOST COMMAND...: run it there.
at() {
	local host=$1
	shift
	nsenter --net="/run/netns/$(netns "$host")" "$@"
}

# hosts_up: the machines, keys for each, and the servers' keys known to near.
hosts_up() {
	local host
	for host in near one two; do
		ip netns add "$(netns "$host")" 2>"$T/netns.err" || skip "no network namespaces: $(cat "$T/netns.err")"
		UNDO+=("ip netns del $(netns "$host")")
		at "$host" ip link set lo up
	done
	for host in one two; do
		at near ip link add "to-$host" type veth peer name near netns "/run/netns/$(netns "$host")" 2>"$T/netns.err" ||
		    skip "no veth: $(cat "$T/netns.err")"
		at near ip addr add "${NEAR_ADDRESS[$host]}/24" dev "to-$host"
		at "$host" ip addr add "${ADDRESS[$host]}/24" dev near
		at near ip link set "to-$host" up
		at "$host" ip link set near up
	done
	for host in near one two; do must mendctl key new -f "$T/$host.key" >/dev/null; done
	export MENDFS_KEY=$T/near.key MENDFS_KNOWN_SERVERS=$T/known
	for host in one two; do trust "${ADDRESS[$host]}:$PORT" "$host"; done
}

public_key() { mendctl key show "$T/$1.key"; }
# trust ADDRESS:PORT HOST: near takes the key of HOST for that of the server there.
trust() { must mendctl key trust "$1" "$(public_key "$2")" >/dev/null; }

# lend HOST [LINE]...: what mendd there exports, as "e", to near; further lines go to the export.
lend() {
	local host=$1
	shift
	local directory=${LENDS[$host]:-$BASE/$host}
	mkdir -p "$directory"
	{
		echo "listen = ${ADDRESS[$host]}:$PORT"
		echo "key-file = $T/$host.key"
		echo "log-level = debug"
		[ ${#MENDD_SETTINGS[@]} -eq 0 ] || printf '%s\n' "${MENDD_SETTINGS[@]}"
		echo "[export e]"
		echo "directory = $directory"
		echo "write = $(public_key near)"
		[ $# -eq 0 ] || printf '%s\n' "$@"
	} >"$T/$host.conf"
}

# server_up HOST: start mendd there, and wait until it listens.
server_up() {
	local host=$1 i
	# Not by a function, whose process would be a shell.
	nsenter --net="/run/netns/$(netns "$host")" mendd -f -c "$T/$host.conf" >>"$T/$host.log" 2>&1 3>&- &
	SERVER[$host]=$!
	CHILDREN+=("${SERVER[$host]}")
	for ((i = 0; i < 200; i++)); do
		at "$host" bash -c "exec 9<>/dev/tcp/${ADDRESS[$host]}/$PORT" 2>/dev/null && return 0
		alive "${SERVER[$host]}" || break
		sleep 0.02
	done
	cat "$T/$host.log" >&2
	fail "mendd on $host does not listen"
}

# serving HOST: the process of mendd that clients talk to.
serving() { pgrep -P "${SERVER[$1]}" | tail -n 1; }

server_down() {	# server_down HOST: it ends by itself, with status 0
	local status
	kill -TERM "${SERVER[$1]}"
	wait "${SERVER[$1]}"
	status=$?
	[ $status -eq 0 ] || { tail "$T/$1.log" >&2; fail "mendd on $1 ended with status $status"; }
}

server_kill() {	# server_kill HOST: as a machine that goes off
	{
		# The one that serves ends with the other; first, so that it cannot say goodbye.
		kill -KILL "$(serving "$1")" "${SERVER[$1]}"
		wait "${SERVER[$1]}"
	} 2>/dev/null
	return 0
}

# replicas_remote N: BASE/near here and N of the others, as REPLICAS; LENT is where all of them are.
replicas_remote() {
	volume_new 1
	LENT=("${REPLICAS[0]}")
	local host
	for host in one two; do
		[ "${#LENT[@]}" -le "$1" ] || break
		LENT+=("$BASE/$host")
		REPLICAS+=("mend://${ADDRESS[$host]}/e")
	done
}

# mount_near [OPTIONS]: as mount_up, on near.
mount_near() { MOUNT_AT="nsenter --net=/run/netns/$(netns near)" mount_up "$@"; }

# all_well_remote: unmounted, all copies are whole, and the same.
all_well_remote() {
	local i
	mount_down
	for ((i = 1; i < ${#LENT[@]}; i++)); do same_trees "${LENT[0]}" "${LENT[i]}"; done
	fsck.mendfs -n "${LENT[@]}" >"$T/fsck.out" 2>&1 || { tail -n 20 "$T/fsck.out" >&2; fail "fsck.mendfs -n: status $?"; }
}

# unplug HOST, plug HOST: the cable between near and there.
unplug() { must at "$1" ip link set near down; }
plug() { must at "$1" ip link set near up; }
# deafen HOST, hear HOST: what goes from there to near is lost; what comes arrives.
deafen() { must at "$1" ip route add blackhole "${NEAR_ADDRESS[$1]}/32"; }
hear() { must at "$1" ip route del blackhole "${NEAR_ADDRESS[$1]}/32"; }
# silence HOST, speak HOST: what goes from near to there is lost.
silence() { must at near ip route add blackhole "${ADDRESS[$1]}/32"; }
speak() { must at near ip route del blackhole "${ADDRESS[$1]}/32"; }

# status FILTER: of mendctl status, by jq(1).
status() { mendctl status --json "$MNT" | jq -r "$1"; }
# in_sync N: so many replicas are.
in_sync() { [ "$(status .in_sync)" = "$1" ]; }

# proxy_up ADDRESS PORT TO-ADDRESS TO-PORT: on near; see delayproxy.c.
proxy_up() {
	local program
	program=$(helper tests/integration/delayproxy) || fail "cannot build delayproxy"
	coproc PROXY { exec nsenter --net="/run/netns/$(netns near)" "$program" "$@"; }
	CHILDREN+=("$PROXY_PID")
	# Bash forgets the descriptors of a coprocess when it has another one.
	exec {PROXY_IN}>&"${PROXY[1]}" {PROXY_OUT}<&"${PROXY[0]}"
	local ready=
	read -r -t 10 -u "$PROXY_OUT" ready && [ "$ready" = ready ] || fail "delayproxy did not come up"
}

# proxy COMMAND...: its answer is in ANSWER.
proxy() {
	echo "$*" >&"$PROXY_IN"
	read -r -t 20 -u "$PROXY_OUT" ANSWER || fail "delayproxy: no answer to $*"
}

# proxy_bytes: through it, in both directions, so far.
proxy_bytes() { proxy count && set -- $ANSWER && echo $(($2 + $4)); }
# proxy_turns: round trips of one who waits for each answer, so far.
proxy_turns() { proxy count && set -- $ANSWER && echo "$6"; }
