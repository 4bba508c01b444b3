#!/bin/bash
# The daemon is killed in the midst of work, again and again: the volume mounts,
# loses nothing that was acknowledged, serves proved bytes, and fsck is content.
. "$(dirname "$0")/lib.sh"

needs sqlite3
rounds=${LONG:+25}
volume_new 2
mount_up
mkdir "$MNT/files" "$MNT/names"
sqlite3 "$MNT/db" 'pragma journal_mode=wal; create table t(n integer primary key, v text);' >/dev/null || fail sqlite3

# Each writer notes outside the mount what was acknowledged to it.  They go on
# while $T/go is there: without the mount there is a folder to write to.
write_files() {
	local n=$1
	while [ -e "$T/go" ]; do
		seq "$n" $((n + 300)) >"$MNT/files/$n.tmp" && mv "$MNT/files/$n.tmp" "$MNT/files/$n" || return
		# Every other one is synced; the daemon's death, though, is not the machine's.
		((n % 2)) || { sync "$MNT/files/$n" "$MNT/files" || return; }
		echo "$n" >>"$T/acked.files"
		n=$((n + 1))
	done
}
append_log() {
	local n=$1
	while [ -e "$T/go" ]; do
		echo "line $n" >>"$MNT/log" || return
		echo "line $n" >>"$T/acked.log"
		n=$((n + 1))
	done
}
change_names() {
	local n=$1
	while [ -e "$T/go" ]; do
		mkdir "$MNT/names/$n" && : >"$MNT/names/$n/a" && ln "$MNT/names/$n/a" "$MNT/names/$n/b" &&
		    rm "$MNT/names/$n/a" && mv "$MNT/names/$n/b" "$MNT/names/$n/c" || return
		echo "$n" >>"$T/acked.names"
		n=$((n + 1))
	done
}
fill_database() {
	local n=$1
	while [ -e "$T/go" ]; do
		sqlite3 "$MNT/db" "pragma synchronous=full; insert into t values($n, 'value $n');" || return
		echo "$n" >>"$T/acked.db"
		n=$((n + 1))
	done
}
for f in files log names db; do : >"$T/acked.$f"; done

# whole_lines ROUND: of the append that was not acknowledged a part may be there: the
# kernel cuts it in two at the end of a page.  That part goes.
whole_lines() {
	local size
	[ -n "$(tail -c 1 "$MNT/log")" ] || return 0
	size=$(stat -c %s "$MNT/log")
	((size % 4096 == 0)) || fail "round $1: half a line at the end of the log, at $size: $(tail -c 40 "$MNT/log" | od -c)"
	truncate -s "-$(tail -n 1 "$MNT/log" | wc -c)" "$MNT/log"
}

verify() {
	local n
	while read -r n; do
		[ "$(seq "$n" $((n + 300)) | cksum)" = "$(cksum <"$MNT/files/$n")" ] || fail "round $1: files/$n is not what was acknowledged"
	done <"$T/acked.files"
	# An append that was not acknowledged may stand at the end of each round's lines.
	cat "$MNT/log" >"$T/log.now" || fail "round $1: cannot read the log"
	grep -n -a -v -E '^line [0-9]+$' "$T/log.now" >"$T/foreign"
	[ -s "$T/foreign" ] && fail "round $1: foreign bytes in the log: $(head -n 3 "$T/foreign" | od -c | head -n 20)"
	grep -F -x -v -f "$T/log.now" "$T/acked.log" | head -n 3 >"$T/lost"
	[ -s "$T/lost" ] && fail "round $1: appended lines are lost: $(cat "$T/lost")"
	while read -r n; do
		[ -f "$MNT/names/$n/c" ] && [ ! -e "$MNT/names/$n/a" ] && [ ! -e "$MNT/names/$n/b" ] ||
		    fail "round $1: names/$n: $(ls "$MNT/names/$n")"
	done <"$T/acked.names"
	same "round $1: database" ok "$(sqlite3 "$MNT/db" 'pragma integrity_check')"
	sqlite3 "$MNT/db" 'select n from t' >"$T/db.now"
	grep -F -x -v -f "$T/db.now" "$T/acked.db" | head -n 3 >"$T/lost"
	[ -s "$T/lost" ] && fail "round $1: committed rows are lost: $(cat "$T/lost")"
	# Not one file may be unreadable.
	"$TREESUM" "$MNT" >"$T/tree" || fail "round $1: something cannot be read"
}

for ((round = 1; round <= ${rounds:-5}; round++)); do
	base=$((round * 100000))
	: >"$T/go"
	for w in write_files append_log change_names fill_database; do
		$w $base 2>/dev/null &
		CHILDREN+=($!)
	done
	sleep "1.$((RANDOM % 10))"
	# The writers end at the dead mount; without it they would go on in the folder below.
	mount_kill
	rm "$T/go"
	for w in "${CHILDREN[@]}"; do wait "$w"; done
	CHILDREN=()
	umount -l "$MNT" || fail "umount -l $MNT"
	if ((round % 2 == 0)); then
		# What fsck says of an unclean volume, it must have mended.
		fsck.mendfs -p "${REPLICAS[@]}" >"$T/fsck.out" 2>&1
		[ $? -le 1 ] || fail "round $round: fsck -p: $(tail -n 5 "$T/fsck.out")"
		fsck_clean
	fi
	mount_up
	whole_lines $round
	verify $round
	for f in files log names db; do
		[ -s "$T/acked.$f" ] || fail "round $round: no work was done in $f"
	done
done
all_well
note "$(wc -l <"$T/acked.files") files, $(wc -l <"$T/acked.log") lines, $(wc -l <"$T/acked.names") names and $(wc -l <"$T/acked.db") rows acknowledged, none lost"
