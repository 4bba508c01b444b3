# chaos.sh -- replicas that come and go under load, for 61-chaos and long-remote-chaos.
# Sourced after lib.sh.
#
# A script says what its three replicas are, and in which ways each can be lost:
#
#	REPLICAS	as mendfs and mendctl name them
#	STORES		the directories where their bytes lie
#	DISKS		the file systems that STORES are on
#	TYPES, LOOPS	of what file system each disk is, and its loop device
#	WAYS		words: replica I is lost by lose_WORD I, and is there again after
#			give_back_WORD I
#	LEFT_ALONE	ways during which nothing else happens
#	NOTICED		ways that are not taken back before the loss was noticed
#
# and a function, incident, that makes one more thing happen.  Then chaos_mount,
# with a command that mounts, chaos_run and chaos_end.  All choices follow from
# CHAOS_SEED, CHAOS_SECONDS (LONG=1: an hour) is how long it lasts.
#
# shellcheck shell=bash disable=SC2034 # what is set here is read elsewhere

needs jq mkfs.ext4 mkfs.xfs mkfs.btrfs pkg-config
LASTS=${CHAOS_SECONDS:-${LONG:+3600}}
LASTS=${LASTS:-20}
ORACLE_PROGRAM=$BUILD/tests/model/oracle
[ -x "$ORACLE_PROGRAM" ] || skip "needs $ORACLE_PROGRAM: make check TESTS="
FSDOWN=$(helper tests/integration/fsdown) || fail "cannot build fsdown"
FLIP=$(helper tools/dev/flip) || fail "cannot build flip"
LOSE_S=30 SYNC_S=${LONG:+900}	# within which a loss is noticed, and all is in sync again
SYNC_S=${SYNC_S:-240}
STUCK_S=60		# without one system call of the oracle's: it hangs
AWAY=('' '' '')		# the way in which each was lost
LEFT_ALONE= NOTICED=
FLIPS=0 STEPS=0

# is_one_of WORD WORDS: is it among them?
is_one_of() { case " $2 " in *" $1 "*) ;; *) return 1 ;; esac }

# ---- taking away and giving back what lies on a disk here

lose_moved() { mv "${STORES[$1]}" "${STORES[$1]}.away"; }
# For good, whatever the disk may lose next.
give_back_moved() { mv "${STORES[$1]}.away" "${STORES[$1]}" && sync -f "${DISKS[$1]}"; }

lose_unmounted() { umount -l "${DISKS[$1]}"; }
give_back_unmounted() { mount -t "${TYPES[$1]}" "${LOOPS[$1]}" "${DISKS[$1]}"; }

# As a disk that is pulled out: what it had not written yet is lost.
lose_shutdown() { "$FSDOWN" "${DISKS[$1]}"; }
# It lives again when nobody holds anything of what it was.
# shellcheck disable=SC2317
let_go() {
	umount "${DISKS[$1]}" 2>/dev/null
	# mountpoint(1) takes one that is shut down for none.
	! grep -qF " ${DISKS[$1]} " /proc/self/mounts
}
# shellcheck disable=SC2317
revive() { let_go "$1" && give_back_unmounted "$1" 2>/dev/null && touch "${DISKS[$1]}/alive" 2>/dev/null; }
give_back_shutdown() { await "$LOSE_S" "revive $1"; }

# ---- taking away and giving back

# state_of REPLICA: as mendctl status has it.
state_of() {
	# Degraded is exit status 3.
	timeout 30 mendctl status --json "$MNT" >"$T/status"
	jq -r --arg path "${REPLICAS[$1]}" '.replicas[] | select(.path == $path).state' "$T/status"
}
# shellcheck disable=SC2317
is_lost() { [ "$(state_of "$1")" != in-sync ]; }
# shellcheck disable=SC2317
is_in_sync() { mendctl resync "$MNT" >/dev/null 2>&1; [ "$(state_of "$1")" = in-sync ]; }

# in_sync_but REPLICA: the others that are in sync.
in_sync_but() {
	local i
	for i in 0 1 2; do
		if [ "$i" != "$1" ] && [ -z "${AWAY[i]}" ] && [ "$(state_of "$i")" = in-sync ]; then echo "$i"; fi
	done
}

# lose REPLICA [WAY]: not the last one.
lose() {
	local ways
	read -ra ways <<<"${WAYS[$1]}"
	[ -n "$(in_sync_but "$1")" ] || return 1
	AWAY[$1]=${2:-${ways[RANDOM % ${#ways[@]}]}}
	note "replica $1 is lost: ${AWAY[$1]}"
	"lose_${AWAY[$1]}" "$1" || fail "cannot have replica $1 lost: ${AWAY[$1]}"
}

# gone REPLICA: wait until that is noticed.
gone() { await $LOSE_S "is_lost $1" || fail "replica $1 is ${AWAY[$1]}, and nobody notices: $(cat "$T/status")"; }

give_back() {
	note "replica $1 is given back"
	"give_back_${AWAY[$1]}" "$1" || fail "cannot give replica $1 back: ${AWAY[$1]}"
	AWAY[$1]=
}

# all_back: and in sync.
all_back() {
	local i
	for i in 0 1 2; do if [ -n "${AWAY[i]}" ]; then give_back $i; fi; done
	for i in 0 1 2; do
		await $SYNC_S "is_in_sync $i" || fail "replica $i does not come into sync: $(cat "$T/status")"
	done
}

# ---- what else can happen

nap() { sleep "0.$((RANDOM % 9 + 1))"; }

# rot REPLICA: bits are flipped on it, as long as another one has all that it has.
rot() {
	local others
	[ -z "${AWAY[$1]}" ] && [ "$(state_of "$1")" = in-sync ] || return 0
	others=$(in_sync_but "$1")
	[ -n "$others" ] || return 0
	note "rot on replica $1"
	# shellcheck disable=SC2046
	"$FLIP" -d 1 -r 100 -n 40 -s $((RANDOM + 1)) "$MNT" "${STORES[$1]}" \
	    $(for i in $others; do echo "${STORES[i]}"; done) >"$T/flip.out" 2>&1 || {
		cat "$T/flip.out" >&2
		fail "flip on replica $1"
	}
	FLIPS=$((FLIPS + $(sed -n 's/^flip: \([0-9]*\) flips.*/\1/p' "$T/flip.out")))
}

# fill REPLICA: its file system has no room for a while; another one may be lost then.
fill() {
	# Not the one that may be stopped: nothing is asked of it while another one refuses everything, so that nobody would notice.
	local disk=${DISKS[$1]} size=$((1 << 29)) n=0 other=$((RANDOM % 2)) thread
	[ $other -ne "$1" ] || other=$((1 - other))
	[ -z "${AWAY[$1]}" ] || return 0
	note "replica $1 is full"
	touch "$T/full"
	for thread in 0 1; do await $STUCK_S "watch; [ -e '$T/full.$thread' ]" || fail "the oracle does not see that a disk is full"; done
	mkdir "$disk/filler"
	while [ $size -ge 4096 ]; do
		fallocate -l $size "$disk/filler/$((n++))" 2>/dev/null || size=$((size / 2))
	done
	nap
	# Only if told to: a Btrfs may find no room for its label, and is dropped.
	if [ -n "${CHAOS_FULL_LOSS:-}" ] && ((RANDOM % 3 == 0)) && [ -z "${AWAY[other]}" ] && [ "$(state_of "$1")" = in-sync ] && lose $other; then
		gone $other
		nap
		give_back $other
	fi
	nap
	rm -r "$disk/filler"
	sync -f "$disk"
	note "replica $1 has room again"
	rm "$T/full"
	for thread in 0 1; do await $STUCK_S "watch; [ ! -e '$T/full.$thread' ]" || fail "the oracle does not go on after a disk was full"; done
}

scrub() {
	note "a scrub"
	mendctl scrub start "$MNT" >/dev/null 2>&1
	return 0
}

# absence: one goes, or two, and something else happens meanwhile.
absence() {
	local one=$((RANDOM % 3)) two
	two=$(((one + 1 + RANDOM % 2) % 3))
	lose $one || return 0
	# It may be back before anybody has noticed.
	if ((RANDOM % 8 == 0)) && ! is_one_of "${AWAY[one]}" "$NOTICED"; then
		give_back $one
		sleep 4
		return 0
	fi
	gone $one
	nap
	if is_one_of "${AWAY[one]}" "$LEFT_ALONE"; then give_back $one; return; fi
	case $((RANDOM % 6)) in
	0) if lose $two; then gone $two; nap; fi ;;
	1) rot $two ;;
	2) if [ -n "${CHAOS_FULL_LOSS:-}" ]; then fill $two; else nap; fi ;;
	3) scrub ;;
	esac
	nap
	give_back $one
	# And lost once more, while it is brought up to date.
	if ((RANDOM % 4 == 0)); then
		mendctl resync "$MNT" >/dev/null 2>&1
		nap
		if lose $one; then gone $one; fi
	fi
}

# ---- the load

# chaos_mount COMMAND...: mounts with it; from then on the oracle works there.
chaos_mount() {
	local i stores=()
	"$@"
	for i in 0 1 2; do stores+=(--replica "${STORES[i]}"); done
	"$ORACLE_PROGRAM" --seed "$SEED" --ops 1000000000 --threads 2 --no-spoil --pause 5000 --members-go --full "$T/full" \
	    ${KEEP:+--log "$T/oracle.log"} "${stores[@]}" \
	    --finish "touch '$T/finish'; until [ -e '$T/finished' ]; do sleep 0.1; done" "$MNT" >"$T/oracle.out" 2>&1 &
	ORACLE=$!
	CHILDREN+=("$ORACLE")
}

oracle_failed() {
	cat "$T/oracle.out" >&2
	fail "seed $SEED: the oracle found something"
}

# watch: the oracle is content, and gets its answers.
watch() {
	local now
	alive "$ORACLE" || oracle_failed
	alive "$DAEMON" || fail "the daemon ended"
	now=$(cat "/proc/$ORACLE/io")
	if [ "$now" != "${SEEN:-}" ]; then
		SEEN=$now MOVED=$SECONDS
	elif [ $((SECONDS - MOVED)) -gt $STUCK_S ]; then
		where_it_hangs "$DAEMON"
		fail "seed $SEED: the oracle has waited for $STUCK_S s"
	fi
}

chaos_run() {
	note "seed $SEED, $LASTS s"
	RANDOM=$SEED
	sleep 1
	local end=$((SECONDS + LASTS))
	while [ $SECONDS -lt $end ]; do
		case $((RANDOM % 12)) in
		[0-6]) absence; watch; all_back ;;
		7 | 8) rot $((RANDOM % 3)) ;;
		9) scrub ;;
		10) fill $((RANDOM % 3)); all_back ;;
		11) incident ;;
		esac
		watch
		STEPS=$((STEPS + 1))
	done
}

# shellcheck disable=SC2317
looked() { watch; [ -e "$T/finish" ]; }

# chaos_end: the oracle's last look, unmounted; then all copies are whole, and the same.
chaos_end() {
	local i
	all_back
	note "all are back after $STEPS steps, $(log_count 'failed while') losses, $FLIPS bits flipped"
	kill -TERM "$ORACLE"
	await 300 looked || fail "the oracle does not come to its end"
	all_back
	mount_down
	touch "$T/finished"
	wait "$ORACLE" || oracle_failed
	cat "$T/oracle.out" >&2
	for i in 1 2; do same_trees "${STORES[0]}" "${STORES[i]}"; done
}
