#!/bin/bash
# -o on-event: the program is called with what happens, one at a time; what it
# may not be is refused; what it does is no harm to the mount.
. "$(dirname "$0")/lib.sh"

volume_new 2
cat >"$T/program" <<END
#!/bin/sh
echo "\$1|\$2|\$MENDFS_EVENT|\$MENDFS_REPLICA|\$MENDFS_PATH|\$MENDFS_COUNT" >>"$T/events"
[ -z "\$(ls /proc/self/fd | grep -vx '[0-3]')" ] || echo "open: \$(ls -l /proc/self/fd)" >>"$T/events"
END
chmod 755 "$T/program"

# ---- what is refused, in one line
refused() {	# refused TEXT VALUE
	snapshot "$T/before"
	mendfs -o "on-event=$2" "${REPLICAS[@]}" "$MNT" >"$T/out" 2>&1
	same "exit status with on-event=$2" 2 $?
	same "lines" 1 "$(wc -l <"$T/out")"
	grep -qF "on-event: $2: $1" "$T/out" || fail "on-event=$2: $(cat "$T/out")"
	unchanged "$T/before" "on-event=$2"
}
refused 'is no absolute path' program
refused 'is not there' /nothing/there
refused 'is no file' "$T"
chmod 644 "$T/program"; refused 'cannot be executed' "$T/program"
chmod 757 "$T/program"; refused 'can be written by others' "$T/program"
chmod 755 "$T/program"
chown 65534 "$T/program"; refused 'belongs to another user' "$T/program"
chown 0 "$T/program"

# ---- what is told
mount_up "on-event=$T/program"
head -c 200000 /dev/urandom >"$MNT/a file"
forget
hurry() { mendctl resync "$MNT" >"$T/out"; }
told() { grep -qxF -- "$1" "$T/events" 2>/dev/null; }
for i in 1 5 9; do flip "${REPLICAS[0]}/a file" $((i * 4096)); done
flip "${REPLICAS[1]}/a file" $((9 * 4096))
read_all "$MNT/a file" 2>/dev/null
await 5 'told "mended|$MNT|mended|${REPLICAS[0]}|/a file|2"' || fail "two mended blocks: $(cat "$T/events")"
await 5 'grep -q "^unmendable|$MNT|unmendable||/a file|" "$T/events"' || fail "a lost block: $(cat "$T/events")"
mv "${REPLICAS[1]}" "${REPLICAS[1]}.away"
await 5 'told "replica-lost|$MNT|replica-lost|${REPLICAS[1]}||1"' || fail "a lost replica: $(cat "$T/events")"
mv "${REPLICAS[1]}.away" "${REPLICAS[1]}"
await 10 'hurry; told "resync-done|$MNT|resync-done|${REPLICAS[1]}||1"' || fail "resynced: $(cat "$T/events")"
told "replica-back|$MNT|replica-back|${REPLICAS[1]}||1" || fail "back: $(cat "$T/events")"
grep -q open: "$T/events" && fail "the daemon's files: $(cat "$T/events")"
mount_down

# ---- by the environment, after an unclean stop, and the volume turns read-only
export MENDFS_ON_EVENT=$T/program
: >"$T/events"
mount_up min-replicas=2
echo x >"$MNT/x"
mount_crash
mount_up min-replicas=2
await 10 'told "reconciled|$MNT|reconciled|||1"' || fail "reconciled: $(cat "$T/events")"
mv "${REPLICAS[1]}" "${REPLICAS[1]}.away"
await 5 'told "read-only|$MNT|read-only|||1"' || fail "read-only: $(cat "$T/events")"
mv "${REPLICAS[1]}.away" "${REPLICAS[1]}"
await 10 'hurry; told "resync-done|$MNT|resync-done|${REPLICAS[1]}||1"' || fail "resynced again: $(cat "$T/events")"
mount_down
unset MENDFS_ON_EVENT

# ---- one that is not there at the mount
: >"$T/events"
mendfs -o "degraded,on-event=$T/program" "${REPLICAS[0]}" "$MNT" || fail "degraded"
await 5 'grep -qE "^replica-lost\|$MNT\|replica-lost\|[^|]*r1\|\|1$" "$T/events"' || fail "missing at the mount: $(cat "$T/events")"
must umount "$MNT"

# ---- one that fails is logged; one that does not end is no matter of unmounting
printf '#!/bin/sh\nexit 9\n' >"$T/program"
mount_up "on-event=$T/program"
mv "${REPLICAS[1]}" "${REPLICAS[1]}.away"
log_wait 'program: exit status 9 when called for replica-lost'
printf '#!/bin/sh\necho $$ >"%s"\nsleep 1000\n' "$T/pid" >"$T/program"
mv "${REPLICAS[1]}.away" "${REPLICAS[1]}"
await 10 'hurry; [ -s "$T/pid" ]' || fail "it was not called"
await 10 'mendctl status "$MNT" >/dev/null' || fail "a program that hangs holds up the volume"
start=$SECONDS
mount_down
[ $((SECONDS - start)) -lt 15 ] || fail "unmounting waited for the program"
alive "$(cat "$T/pid")" && fail "the program was left running"
grep -q 'has not ended in time for replica-back' "$LOG" || fail "that it was killed is not logged"
# Both copies of the lost block are the same, and so were taken after the unclean stop.
fsck_clean
