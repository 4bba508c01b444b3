#!/bin/bash
# What lost is kept: what somebody edited on a replica goes to its quarantine,
# is shown there, comes back by mendctl, and goes when it is told to.
. "$(dirname "$0")/lib.sh"

needs jq
volume_new 2
mount_up
mkdir -p "$MNT/docs/deep"
echo one >"$MNT/docs/letter"
echo two >"$MNT/docs/other"
echo three >"$MNT/docs/three"
newline=$'odd\nname\\'
echo four >"$MNT/docs/$newline"
dd if=/dev/urandom of="$MNT/docs/large" bs=64k count=32 status=none
same "nothing yet" "nothing is in quarantine" "$(must mendctl quarantine list "$MNT")"
mount_down

note "edited while it was not mounted, and while it is"
echo "edited by hand" >"${REPLICAS[1]}/docs/letter"
echo "edited first" >"${REPLICAS[0]}/docs/other"
echo "by odd hands" >"${REPLICAS[1]}/docs/$newline"
chmod 600 "${REPLICAS[1]}/docs/letter"
cp -a "${REPLICAS[0]}/docs/large" "$T/large"
echo "in the middle" | dd of="${REPLICAS[0]}/docs/large" bs=4k seek=300 conv=notrunc status=none
cp "${REPLICAS[0]}/docs/large" "$T/edited"
flip "${REPLICAS[1]}/docs/three" 0
mount_up
same "the volume's version" one "$(cat "$MNT/docs/letter")"
same "the volume's version" two "$(cat "$MNT/docs/other")"
same "the volume's version" four "$(cat "$MNT/docs/$newline")"
same "rot" three "$(cat "$MNT/docs/three")"
cmp "$MNT/docs/large" "$T/large" || fail "large"
kept() { mendctl quarantine list --json "$MNT" | jq -r "select(.path == \"$1\") | .$2"; }
await 10 '[ "$(mendctl quarantine list --json "$MNT" | wc -l)" -eq 4 ]' || fail "kept: $(mendctl quarantine list "$MNT")"
same "its replica" r1 "$(kept /docs/letter replica)"
same "its replica" r0 "$(kept /docs/other replica)"
same "its kind" file "$(kept /docs/other kind)"
same "its size" 15 "$(kept /docs/letter size)"
same "its name" "$(printf '/docs/%s' "$newline" | od -An -v -tx1 | tr -d ' \n')" "$(kept '/docs/odd\nname\\' path_hex)"
case $(kept /docs/letter reason) in *'something else than mendfs'*) ;; *) fail "its reason" ;; esac
[ -z "$(kept /docs/three id)" ] || fail "rot is nobody's version"
id=$(kept /docs/letter id)
same "the same from the replica" "$(kept /docs/letter id)" \
    "$(mendctl quarantine list --json "${REPLICAS[@]}" | jq -r 'select(.path == "/docs/letter") | .id')"

note "restored, and nothing is overwritten"
same "beside it" "restored as /docs/letter.restored; the version stays in quarantine until it is purged" \
    "$(must mendctl quarantine restore "$MNT" "$id")"
same "its content" "edited by hand" "$(cat "$MNT/docs/letter.restored")"
same "its mode" 600 "$(stat -c %a "$MNT/docs/letter.restored")"
must mendctl quarantine restore "$MNT" "$id" >"$T/out"
same "a second time" "edited by hand" "$(cat "$MNT/docs/letter.restored-2")"
rm "$MNT/docs/letter"
must mendctl quarantine restore "$MNT" "$id" >"$T/out"
same "under its own name" "edited by hand" "$(cat "$MNT/docs/letter")"
must mendctl quarantine restore "$MNT" "$id" docs/deep/here >"$T/out"
same "elsewhere" "edited by hand" "$(cat "$MNT/docs/deep/here")"
must mendctl quarantine restore "$MNT" "$(kept '/docs/odd\nname\\' id)" >"$T/out"
same "an odd name" "by odd hands" "$(cat "$MNT/docs/$newline.restored")"
must mendctl quarantine restore "$MNT" "$(kept /docs/large id)" large >"$T/out"
cmp "$MNT/large" "$T/edited" || fail "a large one"

# A directory with all that is in it, links among it: what somebody put in a file's place.
mount_down
rm "${REPLICAS[1]}/docs/three"
mkdir "${REPLICAS[1]}/docs/three"
echo within >"${REPLICAS[1]}/docs/three/a"
ln "${REPLICAS[1]}/docs/three/a" "${REPLICAS[1]}/docs/three/b"
ln -s a "${REPLICAS[1]}/docs/three/link"
mkfifo -m 640 "${REPLICAS[1]}/docs/three/fifo"
mount_up
same "the volume's version" three "$(cat "$MNT/docs/three")"
await 10 '[ -n "$(kept /docs/three id)" ]' || { ls "$MNT/docs" >/dev/null; await 10 '[ -n "$(kept /docs/three id)" ]' || fail "the directory is nowhere"; }
same "its kind" directory "$(kept /docs/three kind)"
must mendctl quarantine restore "$MNT" "$(kept /docs/three id)" >"$T/out"
same "what was in it" "within within a 640" \
    "$(cd "$MNT/docs/three.restored" && echo "$(cat a)" "$(cat b)" "$(readlink link)" "$(stat -c %a fifo)")"

note "refused, and nothing changed"
refused() {	# refused STATUS TEXT WORD...
	local want=$1 text=$2 status
	shift 2
	mendctl quarantine "$@" >"$T/out" 2>"$T/err" </dev/null
	status=$?
	[ "$status" = "$want" ] || fail "mendctl quarantine $*: exit status $status, wanted $want: $(cat "$T/err")"
	[ ! -s "$T/out" ] || fail "mendctl quarantine $*: wrote $(cat "$T/out")"
	grep -qF -- "$text" "$T/err" || fail "mendctl quarantine $*: wanted '$text', got: $(cat "$T/err")"
}
ln -s /etc "$MNT/out"
"$TREESUM" "$MNT" >"$T/before.sum"
count=$(mendctl quarantine list --json "$MNT" | wc -l)
refused 2 'list, restore or purge'
refused 2 'list, restore or purge' fly
refused 2 'of which mountpoint' list
refused 2 'of which mountpoint' list --json
refused 1 'no label' list "$T"
refused 1 'No such file' list "$T/nothing"
refused 2 'which version' restore "$MNT"
refused 2 'one version' restore "$MNT" "$id" a b
refused 1 'no version of that name' restore "$MNT" r1/nothing
refused 1 'no version of that name' restore "$MNT" "../$id"
refused 1 'not on a mounted' restore / "$id"
refused 1 'is there already' restore "$MNT" "$id" docs/letter
refused 1 'its directory is not there' restore "$MNT" "$id" nothing/here
refused 1 'its directory is not there' restore "$MNT" "$id" out/here
refused 1 'its directory is not there' restore "$MNT" "$id" ../here
refused 1 'its directory is not there' restore "$MNT" "$id" docs/letter/here
refused 1 "cannot be a file's name" restore "$MNT" "$id" docs/..
refused 1 "cannot be a file's name" restore "$MNT" "$id" docs/
refused 1 "cannot be a file's name" restore "$MNT" "$id" ''
refused 2 'which versions' purge "$MNT"
refused 2 'which versions' purge "$MNT" --all more
refused 2 'which versions' purge "$MNT" --older-than
refused 2 'not a number of days' purge "$MNT" --older-than x
refused 2 'not a number of days' purge "$MNT" --older-than -1
refused 2 'no such option' purge "$MNT" --everything
refused 1 'no version of that name' purge "$MNT" "$id" r1/nothing
"$TREESUM" "$MNT" >"$T/after.sum"
cmp "$T/before.sum" "$T/after.sum" || fail "something changed in the volume"
same "kept" "$count" "$(mendctl quarantine list --json "$MNT" | wc -l)"
[ ! -e /etc/here ] || fail "something went out of the volume"

note "purged"
must mendctl quarantine purge "$MNT" "$id"
[ -z "$(kept /docs/letter id)" ] || fail "it is still there"
same "nothing is so old" "0 removed, $((count - 1)) kept" "$(must mendctl quarantine purge "$MNT" --older-than 1)"
same "all" "$((count - 1)) removed, 0 kept" "$(must mendctl quarantine purge "$MNT" --all)"
same "nothing is left" "" "$(find "${REPLICAS[@]/%//.mendfs/quarantine}" -mindepth 1)"
all_well
