#!/bin/bash
# ack=fsync: a remote replica may lag behind, but what an fsync(2) or close(2) came
# back for is there, whichever end is killed, and if nothing else is left.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hosts.sh"

needs python3
ROUNDS=${ROUNDS:-$([ -n "$LONG" ] && echo 40 || echo 2)}
SEED=${SEED:-$$}
RANDOM=$SEED
note "SEED=$SEED ROUNDS=$ROUNDS"

# Appends blocks to a file, each with its number in it, and tells how many an fsync has come back for.
cat >"$T/append.py" <<'EOF'
import os, sys
path, done = sys.argv[1:3]
fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
out = os.open(done, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
dir = os.open(os.path.dirname(path), os.O_RDONLY)
os.fsync(dir)
n = 0
try:
    while True:
        for i in range(5):
            os.write(fd, (b"%015d\n" % n) * 256)
            n += 1
        os.fsync(fd)
        os.pwrite(out, b"%015d\n" % n, 0)
except OSError:
    pass
EOF

# acknowledged COUNT FILE...: so many blocks are in each, and right.
acknowledged() {
	local count=$1 file
	shift
	for file; do
		python3 - "$count" "$file" <<-'EOF' || fail "$file: not all that was synced is there (SEED=$SEED)"
			import sys
			count, data = int(sys.argv[1]), open(sys.argv[2], "rb").read(int(sys.argv[1]) * 4096)
			sys.exit(any(data[4096 * i:4096 * (i + 1)] != (b"%015d\n" % i) * 256 for i in range(count)))
		EOF
	done
}

hosts_up
lend one
server_up one
volume_new 1
# shellcheck disable=SC2034 # all_well_remote goes by it
LENT=("${REPLICAS[0]}" "$BASE/one")
REPLICAS+=("mend://127.0.0.1:7000/e")
trust 127.0.0.1:7000 one
proxy_up 127.0.0.1 7000 "${ADDRESS[one]}" $PORT
total=0
for ((round = 1; round <= ROUNDS; round++)); do
	mount_near ack=fsync,link-timeout=2
	proxy delay $((RANDOM % 8))
	rm -f "$T/done"
	python3 "$T/append.py" "$MNT/f$round" "$T/done" &
	WORK=$!
	CHILDREN+=("$WORK")
	await 20 '[ -s "$T/done" ]' || fail "nothing was synced"
	sleep "0.$((3 + RANDOM % 6))"
	if [ $((round % 2)) = 1 ]; then
		# The near machine dies, with its replica: what is there must do.
		mount_kill
		wait $WORK
		umount -l "$MNT" || fail "umount -l"
		synced=$((10#$(cat "$T/done")))
		acknowledged "$synced" "$BASE/one/f$round"
	else
		server_kill one
		sleep 0.2
		kill $WORK
		wait $WORK 2>/dev/null
		server_up one
		await 30 'in_sync 2' || fail "it did not come back (SEED=$SEED)"
		synced=$((10#$(cat "$T/done")))
		mount_down
		acknowledged "$synced" "${LENT[0]}/f$round" "$BASE/one/f$round"
	fi
	total=$((total + synced))
done
[ $total -gt 0 ] || fail "nothing was synced"
note "$total blocks were synced"
mount_near ack=fsync
proxy delay 0
await 30 'in_sync 2' || fail "not in sync"
all_well_remote
