#!/bin/bash
# A replica that gives neither an answer nor an error: programs get their
# answers from the others after the time-out at most, whatever they were doing;
# when it answers again it is brought up to date by itself.
. "$(dirname "$0")/lib.sh"

needs bindfs

TIMEOUT=2
HUNG=	# the process behind the second replica's file system

# volume_behind_process: the second replica lies behind a program that can be stopped.
volume_behind_process() {
	volume_new 2
	mkdir "$T/behind$VOLUMES" && mv "${REPLICAS[1]}" "$T/behind$VOLUMES/r" && mkdir "${REPLICAS[1]}" || fail "mkdir"
	process_up
}

process_up() {
	bindfs -f "$T/behind$VOLUMES" "${REPLICAS[1]%/r}" -o fsname=behind >"$T/bindfs.out" 2>&1 &
	HUNG=$!
	CHILDREN+=("$HUNG")
}
