#!/bin/bash
# SQLite in WAL and in rollback mode, several writers at once, while bits are
# flipped: what a database holds in the end is what it holds off the mount.
. "$(dirname "$0")/lib.sh"

needs sqlite3
rows=${LONG:+20000}
rows=${rows:-800}

# Deterministic: the same statements in whatever order give the same tables.
writer() {	# writer DATABASE FIRST
	local i
	for ((i = 0; i < rows; i += 50)); do
		sqlite3 -cmd '.timeout 60000' "$1" "begin immediate;
			with recursive n(i) as (select $2 + $i union all select i + 1 from n where i < $2 + $i + 49)
			insert into t select i, hex(printf('%0200d', i * 7919)), i % 97 from n;
			update t set v = v || 'u' where k between $2 + $i - 120 and $2 + $i - 100;
			delete from t where k % 10 = 3 and k between $2 and $2 + $i;
			commit;" || return 1
	done
}

story() {	# story FOLDER MODE
	local db=$1/$2.db pids=() w
	sqlite3 "$db" "pragma page_size=4096; pragma journal_mode=$2;
		create table t(k integer primary key, v text, m integer); create index tm on t(m, v);" >/dev/null || return 1
	for w in 0 1 2; do
		writer "$db" $((w * 1000000)) &
		pids+=($!)
	done
	for w in "${pids[@]}"; do wait "$w" || return 1; done
	sqlite3 "$db" 'vacuum; pragma wal_checkpoint(truncate); reindex;' >/dev/null || return 1
	same "$2: integrity" ok "$(sqlite3 "$db" 'pragma integrity_check')"
	sqlite3 "$db" .dump >"$1/$2.dump" || return 1
}

volume_new 2
mount_up
mkdir "$T/ref"
flip_start -r 60 -n 40 -s 31
for mode in wal delete truncate persist; do
	story "$MNT" $mode >"$T/out" 2>&1 || fail "$mode: $(tail -n 5 "$T/out")"
done
flip_stop
for mode in wal delete truncate persist; do
	story "$T/ref" $mode >"$T/out" 2>&1 || fail "$mode off the mount: $(tail -n 5 "$T/out")"
	uncached "$MNT/$mode.dump" "$MNT/$mode.db"
	cmp "$T/ref/$mode.dump" "$MNT/$mode.dump" || fail "$mode: other rows than off the mount"
	sqlite3 "$MNT/$mode.db" .dump >"$T/dump" || fail "$mode: dump"
	cmp "$T/ref/$mode.dump" "$T/dump" || fail "$mode: other rows when read again"
done
remount
for mode in wal delete truncate persist; do
	same "$mode: integrity after a remount" ok "$(sqlite3 "$MNT/$mode.db" 'pragma integrity_check')"
done
all_well
