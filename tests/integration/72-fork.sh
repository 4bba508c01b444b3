#!/bin/bash
# A fork: refused, settled by mendctl resolve, and nothing that only the loser
# has is lost; the settling and what follows are cut off at several places.
. "$(dirname "$0")/lib.sh"

needs jq
volume_new 3
mount_up
mkdir -p "$MNT/docs" "$MNT/old/deep"
for i in a b c d e; do echo "$i" >"$MNT/docs/$i"; done
echo x >"$MNT/old/deep/x"
echo y >"$MNT/old/y"
ln "$MNT/docs/d" "$MNT/docs/d2"
ln -s a "$MNT/docs/link"
mount_down
all=("${REPLICAS[@]}")

# alone REPLICA... -- COMMANDS: mount these, without the others.
alone() {
	REPLICAS=()
	while [ "$1" != -- ]; do REPLICAS+=("$1"); shift; done
	mount_up degraded
	eval "$2"
	mount_down
	REPLICAS=("${all[@]}")
}
# The ids that both sides give are the same ones.
left='cd "$MNT"; echo left >docs/a; echo new-left >docs/new; for i in 1 2 3 4 5 6; do echo $i >only$i; done; mv old renamed; echo only-left >only-left; mkdir fell; echo f >fell/f; ln -sfn left docs/link; rm docs/c; cd /'
right='cd "$MNT"; echo right >docs/a; echo new-right >docs/new; echo changed >old/deep/x; mkdir -p tree/sub; echo t1 >tree/t1; echo t2 >tree/sub/t2; echo more >>docs/b
ln -sfn right docs/link; mv docs/d docs/f; chmod 700 docs/e; dd if=/dev/urandom of=big bs=64k count=40 status=none; cp big "$T/big"; cd /'
alone "${all[0]}" "${all[1]}" -- "$left"
alone "${all[2]}" -- "$right"

note "refused, with both sides and the way out"
snapshot "$T/forked"
if try_mount; then fail "a fork was mounted"; fi
line=$(tail -n 1 "$LOG")
for text in "${all[0]} (replica r0) until event" "${all[2]} (replica r2) until event" 'mendctl resolve --keep'; do
	case $line in *"$text"*) ;; *) fail "it does not say '$text': $line" ;; esac
done
unchanged "$T/forked" "a refused mount"

note "misuse"
refused() {	# refused STATUS TEXT WORD...
	local want=$1 text=$2 status
	shift 2
	mendctl resolve "$@" >"$T/out" 2>"$T/err" </dev/null
	status=$?
	[ "$status" = "$want" ] || fail "mendctl resolve $*: exit status $status, wanted $want: $(cat "$T/err")"
	grep -qF -- "$text" "$T/err" || fail "mendctl resolve $*: wanted '$text', got: $(cat "$T/err")"
}
mkdir "$T/other" "$T/empty" "$T/mnt"
mendfs -f "$T/other" "$T/mnt" 2>>"$LOG" &
await 5 'mountpoint -q "$T/mnt"' || fail "another volume"
umount "$T/mnt"
wait $!
refused 2 'which one is to be kept'
refused 2 'which one is to be kept' "${all[@]}"
refused 2 'name all replicas' --keep r0 "${all[0]}"
refused 1 'has that path or name' --keep r7 "${all[@]}"
refused 1 'given twice' --keep r0 "${all[0]}" "${all[0]}"
refused 1 'No such file' --keep r0 "${all[0]}" "$T/nothing"
refused 1 'label cannot be read' --keep r0 "${all[0]}" "$T/empty"
refused 1 'does not belong' --keep "${all[0]}" "${all[@]}" "$T/other"
unchanged "$T/forked" "refused"
labels() { for i in 0 1 2; do cp "${all[i]}/.mendfs/label" "$T/label.$i.$1"; done; }
labels forked

note "settled"
must mendctl resolve --keep r0 "${all[@]}" 2>"$T/out"
grep -q "${all[2]}: loses to ${all[0]}" "$T/out" || fail "it says $(cat "$T/out")"
labels settled
must mendctl resolve --keep r0 "${all[@]}" 2>"$T/out"
grep -q 'nothing to be settled' "$T/out" || fail "once more: $(cat "$T/out")"
refused 1 'no whole copy' --keep r2 "${all[@]}"
# fsck.mendfs leaves the loser alone, and does for the others what it can.
fsck.mendfs -p "${all[@]}" >"$T/out" 2>&1
grep -q 'F004.*left out' "$T/out" || grep -q 'left out: it lost' "$T/out" || fail "fsck.mendfs: $(cat "$T/out")"
if mendfs -f -o degraded "${all[2]}" "$MNT" 2>"$T/err"; then fail "the loser was mounted alone"; fi
grep -q 'no whole copy' "$T/err" || fail "the loser alone: $(cat "$T/err")"

note "cut off: what was written when"
for state in 'settled forked forked' 'settled settled forked'; do
	i=0
	for which in $state; do cp "$T/label.$i.$which" "${all[i]}/.mendfs/label"; i=$((i + 1)); done
	if try_mount; then fail "half settled ($state), and mounted"; fi
	tail -n 1 "$LOG" | grep -q 'a fork' || fail "half settled ($state): $(tail -n 1 "$LOG")"
	must mendctl resolve --keep r0 "${all[@]}" 2>"$T/out"
	grep -q "loses to" "$T/out" || fail "half settled ($state): $(cat "$T/out")"
done

cp -a "$BASE/v1" "$T/saved"
note "the loser is filled, killed in the midst of it: every content is kept, at least once"
for delay in 0.02 0.05; do
	for i in 0 1 2; do rm -r "${all[i]}"; cp -a "$T/saved/r$i" "${all[i]}"; done
	mount_up
	sleep "$delay"
	mount_crash
	mount_up
	await 10 '[ "$(mendctl resync "$MNT")" = "all replicas are in sync" ]' || fail "not in sync"
	for text in right new-right changed t1 t2 more c; do
		grep -rqx "$text" "${all[2]}/.mendfs/quarantine" || fail "killed after $delay s: '$text' is nowhere"
	done
	find "${all[2]}/.mendfs/quarantine" -name data -size +1000k | while read -r f; do cmp -s "$T/big" "$f" && echo found; done | grep -q found ||
	    fail "killed after $delay s: the large file is nowhere"
	[ -z "$(ls "${all[0]}/.mendfs/quarantine" "${all[1]}/.mendfs/quarantine" 2>/dev/null)" ] || fail "those that won lost something"
	all_well
done

note "and once if nothing is killed, with where it stood"
for i in 0 1 2; do rm -r "${all[i]}"; cp -a "$T/saved/r$i" "${all[i]}"; done
mount_up
await 10 '[ "$(mendctl resync "$MNT")" = "all replicas are in sync" ]' || fail "not in sync"
kept() { mendctl quarantine list --json "$MNT" | jq -r "select(.path == \"$1\") | .id" | head -n 1; }
version() { cat "${all[2]}/.mendfs/quarantine/$(basename "$(kept "$1")")/data${2-}"; }
same "what won" "left new-left only-left" "$(cd "$MNT" && cat docs/a docs/new only-left | paste -sd " ")"
same "its names" "renamed/deep/x" "$(cd "$MNT" && ls renamed/deep/x)"
[ ! -e "$MNT/docs/c" ] || fail "a removed name came back"
same "both changed" right "$(version /docs/a)"
same "both made" new-right "$(version /docs/new)"
same "changed where the other side renamed" changed "$(version /old/deep/x)"
same "appended to" "b more" "$(version /docs/b | paste -sd " ")"
same "what it had still" c "$(version /docs/c)"
same "a tree" "t1 t2" "$(version /tree /t1) $(version /tree /sub/t2)"
same "another mode" 700 "$(stat -c %a "${all[2]}/.mendfs/quarantine/$(basename "$(kept /docs/e)")/data")"
same "a link" right "$(readlink "${all[2]}/.mendfs/quarantine/$(basename "$(kept /docs/link)")/data")"
cmp "$T/big" <(version /big) || fail "a large file"
for path in /old/y /docs/d /docs/f /only-left /docs; do
	[ -z "$(kept $path)" ] || fail "$path is no version of its own"
done
[ -z "$(ls "${all[0]}/.mendfs/quarantine" "${all[1]}/.mendfs/quarantine" 2>/dev/null)" ] || fail "those that won lost something"
must mendctl quarantine restore "$MNT" "$(kept /tree)" >"$T/out"
same "restored" t2 "$(cat "$MNT/tree/sub/t2")"
all_well

note "it is a replica as any other from then on"
alone "${all[0]}" "${all[1]}" -- 'echo behind >"$MNT/docs/a"'
mount_up
log_wait 'is behind'
await 10 '[ "$(mendctl resync "$MNT")" = "all replicas are in sync" ]' || fail "not in sync"
same "nothing more is kept" 1 "$(mendctl quarantine list --json "$MNT" | grep -c '"/docs/a"')"
all_well
