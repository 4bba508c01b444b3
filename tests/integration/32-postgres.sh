#!/bin/bash
# A PostgreSQL cluster with data checksums lives on the mount, under pgbench,
# while bits are flipped: no checksum ever fails, and the accounts add up.
. "$(dirname "$0")/lib.sh"

needs setpriv
bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] && [ -x "$bin/initdb" ] && [ -x "$bin/pgbench" ] || skip "needs postgresql"
id postgres >/dev/null 2>&1 || skip "needs the user postgres"
seconds=${LONG:+600}
seconds=${seconds:-10}

volume_new 2
mount_up
mkdir "$MNT/pg"
chown postgres "$MNT/pg"
data=$MNT/pg/data
as_postgres() {
	(cd / && exec env PGHOST="$MNT/pg" PGUSER=postgres PGDATABASE=postgres PATH="$bin:$PATH" \
	    setpriv --reuid=postgres --regid=postgres --init-groups "$@")
}
start() { as_postgres pg_ctl -s -w -t 60 -D "$data" -l "$MNT/pg/log" start; }
stop() { as_postgres pg_ctl -s -w -t 60 -D "$data" -m "${1:-fast}" stop; }
# Newer ones write a random word into each dump.
dump() { as_postgres pg_dump -t pgbench_branches -t pgbench_tellers | grep -v -E '^.(un)?restrict '; }
value() { as_postgres psql -XAtc "$1"; }
explain() { tail -n 20 "$MNT/pg/log" >&2; fail "$*"; }

flip_start -r 40 -n 40 -s 32
as_postgres initdb -D "$data" --data-checksums -A trust --locale=C -E UTF8 >"$T/out" 2>&1 || fail "initdb: $(tail -n 5 "$T/out")"
# Small buffers: pages must be read again and again.
cat >>"$data/postgresql.conf" <<END
listen_addresses = ''
unix_socket_directories = '$MNT/pg'
shared_buffers = 2MB
max_connections = 20
checkpoint_timeout = 30s
log_checkpoints = off
END
if ! start >"$T/out" 2>&1; then explain "start: $(cat "$T/out")"; fi
# The socket's name is on the mount; if we are ended early, so must the server be.
postmaster=$(head -n 1 "$data/postmaster.pid")
CHILDREN+=("$postmaster")
as_postgres pgbench -q -i -s 3 >"$T/out" 2>&1 || explain "pgbench -i: $(tail -n 3 "$T/out")"
as_postgres pgbench -n -c 4 -j 2 -T "$seconds" >"$T/out" 2>&1 || explain "pgbench: $(tail -n 3 "$T/out")"
grep -q 'failed transactions: 0 ' "$T/out" || explain "pgbench: $(cat "$T/out")"
grep '^tps' "$T/out" >&2

add_up() {
	local sums
	sums=$(value 'select (select sum(abalance) from pgbench_accounts), (select sum(bbalance) from pgbench_branches),
		(select sum(tbalance) from pgbench_tellers), (select sum(delta) from pgbench_history)') || explain "$1: select"
	[ "$(tr '|' '\n' <<<"$sums" | sort -u | wc -l)" -eq 1 ] || explain "$1: the sums differ: $sums"
}
add_up "after pgbench"
# Killed at once and recovered from its log, all on the mount.
stop immediate || explain "stop"
start || explain "start after a crash"
add_up "after recovery"
as_postgres pgbench -n -S -c 2 -T 3 >"$T/out" 2>&1 || explain "pgbench -S: $(tail -n 3 "$T/out")"
as_postgres pg_amcheck --install-missing postgres >"$T/out" 2>&1 || explain "pg_amcheck: $(tail -n 5 "$T/out")"
dump >"$T/dump.1" || explain "pg_dump"
stop || explain "stop"
as_postgres pg_checksums --check -D "$data" >"$T/out" 2>&1 || fail "pg_checksums: $(tail -n 5 "$T/out")"
flip_stop
grep -E 'PANIC|could not (read|write|fsync)|checksum|invalid page' "$MNT/pg/log" && fail "the server's log tells of errors"

remount
start || explain "start after a remount"
postmaster=$(head -n 1 "$data/postmaster.pid")
CHILDREN+=("$postmaster")
add_up "after a remount"
dump >"$T/dump.2" || explain "pg_dump"
cmp "$T/dump.1" "$T/dump.2" || fail "other rows after a remount"
stop || explain "stop"
all_well

# The first replica alone, as a plain folder: the cluster is whole.
as_postgres pg_checksums --check -D "${REPLICAS[0]}/pg/data" >"$T/out" 2>&1 || fail "pg_checksums on a replica: $(tail -n 5 "$T/out")"
