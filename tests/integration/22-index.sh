#!/bin/bash
# What a replica remembers of a directory's ids spares a listing the look at each
# record, and is believed of nothing that does not add up.
. "$(dirname "$0")/lib.sh"
needs setfattr getfattr

index_of() { getfattr --absolute-names --only-values -n user.mendfs.ids "$1" 2>/dev/null | cksum; }
none=$(printf '' | cksum)
# Inode numbers as listed and as looked up are the same, and all names are there.
listed() {
	same "$1: names" 40 "$(find "$MNT/dir" -type f | wc -l)"
	same "$1: inode numbers" "$(find "$MNT/dir" -mindepth 1 -printf '%p %i\n' | sort)" \
	    "$(stat -c '%n %i' "$MNT"/dir/* | sort)"
	remount
	# As many in a listing alone; find(1) would look them up.
	same "$1: listed again" "$(stat -c %i "$MNT"/dir/* | sort)" "$(ls -i1 "$MNT/dir" | awk '{ print $1 }' | sort)"
}

volume_new 2
mount_up
mkdir "$MNT/dir"
for i in {1..40}; do echo "content $i" >"$MNT/dir/file.$i"; done
ln -s nowhere "$MNT/dir/link"
remount
r=${REPLICAS[0]}
same "before it is listed" "$none" "$(index_of "$r/dir")"
ls "$MNT/dir" >/dev/null
first=$(index_of "$r/dir")
[ "$first" != "$none" ] || fail "a listing has left no index"
same "on the other replica, which nobody listed" "$none" "$(index_of "${REPLICAS[1]}/dir")"
getfattr -d -m - "$MNT/dir" 2>/dev/null | grep -q mendfs && fail "the index shows through the mount"
setfattr -n user.mendfs.ids -v x "$MNT/dir" 2>/dev/null && fail "the index can be set through the mount"
listed "by the index"
same "a listing that found all in it" "$first" "$(index_of "$r/dir")"

note "names that come, go, and take another's inode"
rm "$MNT"/dir/file.{1..10}
for i in {51..60}; do echo "content $i" >"$MNT/dir/file.$i"; done
mv "$MNT/dir/file.20" "$MNT/dir/renamed"
remount
listed "after changes"

note "spoiled, of a later version, another directory's"
for value in 0x00 0x02 0x010102 0x01ffffffffffffffffff010204 "0x01$(printf '0102%.0s' {1..1500})"; do
	setfattr -n user.mendfs.ids -v "$value" "$r/dir" || fail "setfattr"
	remount
	listed "index $value"
done
[ "$(index_of "$r/dir")" != "$(printf '\1\1\2' | cksum)" ] || fail "an index that did not add up is still there"

note "two files exchanged on a replica"
mv "$r/dir/file.30" "$T/file" && mv "$r/dir/file.31" "$r/dir/file.30" && mv "$T/file" "$r/dir/file.31"
remount
ls "$MNT/dir" >/dev/null
listed "exchanged"
for i in 30 31; do same "file.$i" "content $i" "$(cat "$MNT/dir/file.$i")"; done

note "a user's attribute that needs the room"
head -c 3000 /dev/urandom | base64 -w 0 | head -c 3000 >"$T/value"
setfattr -n user.large -v "$(cat "$T/value")" "$MNT/dir" || fail "no room for an attribute"
remount
same "the attribute" "$(cat "$T/value")" "$(getfattr --absolute-names --only-values -n user.large "$MNT/dir")"
listed "with an attribute"

note "mounted read-only"
setfattr -x user.mendfs.ids "$r/dir" 2>/dev/null
mount_down
mount_up ro
ls "$MNT/dir" >/dev/null
same "read-only" "$none" "$(index_of "$r/dir")"
mount_down
fsck_clean
same_replicas
