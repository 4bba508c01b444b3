#!/bin/bash
# Replicas on two other machines: what is written here is there; what rots here is
# mended from there; who has not the right key gets nothing.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hosts.sh"

hosts_up
lend one
lend two
server_up one
server_up two
replicas_remote 2

note "a tree, and changes of each kind"
mount_near
cp -a "$SOURCE/src" "$SOURCE/doc" "$MNT/" || fail "cp"
dd if=/dev/urandom of="$MNT/large" bs=1M count=6 status=none || fail "dd"
cp "$MNT/large" "$T/large"
cd "$MNT" || fail "cd"
{
	mkdir -p deep/er/still && mv doc deep/er/ && mv src/util deep/ && ln deep/er/doc/DESIGN.md hard &&
	ln -s ../away deep/link && mkfifo fifo && mknod null c 1 3 && setfattr -n user.colour -v blue hard &&
	chmod 4751 src/LAYERS && chown 1234:5678 src/LAYERS && touch -d '2001-02-03 04:05:06.789' deep/er &&
	rm -r src/volume && truncate -s 12345 deep/util/log.c && printf tail >>deep/util/io.c &&
	truncate -s 40M sparse && printf x | dd of=sparse bs=1 seek=30M conv=notrunc status=none &&
	mv -T deep/util deep/renamed && mv src/meta/label.c src/meta/label.h && chmod 0000 src/hash/digest.c
} || fail "changes"
cd / || fail "cd"
all_well_remote

note "rot here is mended from there"
flip "${LENT[0]}/large" 2000000 5000
mount_near
must cmp "$MNT/large" "$T/large"
log_wait 'mended .large'
mount_down
must cmp "${LENT[0]}/large" "$T/large"

# refused WHAT PATTERN: at the mount, with one line that says why.
refused() {
	if at near timeout 60 mendfs -f "${REPLICAS[@]}" "$MNT" >"$T/refused.out" 2>&1; then fail "$1: it was mounted"; fi
	grep -q -E -- "$2" "$T/refused.out" || { cat "$T/refused.out" >&2; fail "$1: no line like: $2"; }
}

note "keys"
cp "$T/known" "$T/known.good"
: >"$T/known"
refused "a server that is not known" 'mend://10.77.1.2/e.*mendctl key trust'
trust "${ADDRESS[one]}:$PORT" two
trust "${ADDRESS[two]}:$PORT" two
refused "another server's key" 'mend://10.77.1.2/e.*key'
cp "$T/known.good" "$T/known"
must mendctl key new -f "$T/thief.key" >/dev/null
MENDFS_KEY=$T/thief.key refused "a key that no export lists" 'mend://10.77.1.2/e.*key'
grep -q 'mendfs-key:.*could not be' "$T/one.log" && fail "a stranger is in the log by name"

note "reading only"
sed -i 's/^write = /read-only = /' "$T/one.conf"
kill -HUP "${SERVER[one]}"
await 10 'grep -q reloaded "$T/one.log"' || fail "no reload"
refused "a mount that would write" 'mend://10.77.1.2/e.*(read|right)'
mount_near ro
must cmp "$MNT/large" "$T/large"
must_fail touch "$MNT/new"
mount_down
sed -i 's/^read-only = /write = /' "$T/one.conf"
echo junk >>"$T/one.conf"
kill -HUP "${SERVER[one]}"
await 10 'grep -q "not reloaded" "$T/one.log"' || fail "a bad configuration was not told"
refused "the old configuration, kept" 'mend://10.77.1.2/e'
sed -i '$d' "$T/one.conf"
kill -HUP "${SERVER[one]}"
await 10 '[ "$(grep -c ": reloaded" "$T/one.log")" = 2 ]' || fail "no second reload"

note "what was edited there is kept there, and removed by the mount alone"
printf edited | dd of="${LENT[0]}/large" bs=1 seek=100 conv=notrunc status=none
mount_near
must cmp "$MNT/large" "$T/large"
await 20 'at near mendctl quarantine list "$MNT" | grep -q /large' || fail "the edited version is not kept"
at near mendctl quarantine purge "$MNT" --all >"$T/purge.out" || fail "purge: $(cat "$T/purge.out")"
grep -q '^[1-9][0-9]* removed, 0 kept' "$T/purge.out" || fail "purge: $(cat "$T/purge.out")"
at near mendctl quarantine list "$MNT" | grep /large && fail "the edited version is still there"
[ -z "$(ls "${LENT[0]}/.mendfs/quarantine")" ] || fail "the quarantine is not empty: $(ls "${LENT[0]}/.mendfs/quarantine")"
at near mendctl quarantine purge "$MNT" "${LENT[0]##*/}/none" 2>/dev/null && fail "what is not there was purged"
mount_down

note "and again"
mount_near
must rm -r "$MNT/deep"
all_well_remote
server_down one
server_down two
