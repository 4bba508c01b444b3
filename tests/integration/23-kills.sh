#!/bin/bash
# The daemon is killed at random moments under a mixed load, and killed again
# while it reconciles: tests/kills knows what was acknowledged, and looks for it.
# No rot is found where there was none, and nothing goes to quarantine.
# KILLS=n: as many (10; LONG=1: 1,000); KILLS_SEED=n: another run.
. "$(dirname "$0")/lib.sh"

program=$BUILD/tests/kills/kills
[ -x "$program" ] || fail "no program $program: make check TESTS="
kills=${KILLS:-${LONG:+1000}}
in_memory
volume_new "${KILLS_REPLICAS:-2}"
MOUNTS+=("$MNT")
"$program" "${kills:-10}" "${KILLS_SEED:-1}" "$MNT" "$LOG" "${REPLICAS[@]}" &
CHILDREN+=($!)
wait $! || fail "seed ${KILLS_SEED:-1}"
CHILDREN=()

same_replicas
for r in "${REPLICAS[@]}"; do
	[ -z "$(ls -A "$r/.mendfs/quarantine" 2>/dev/null)" ] || fail "something went to quarantine: $(ls "$r/.mendfs/quarantine")"
done
