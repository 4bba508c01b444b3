#!/bin/bash
# codec=blake2b: the key comes from a file with sane permissions; with another
# key, or none, nothing is served; what was edited on purpose is refused.
. "$(dirname "$0")/lib.sh"

needs setfattr getfattr
head -c 32 /dev/urandom >"$T/key"
head -c 32 /dev/urandom >"$T/other-key"
chmod 600 "$T/key" "$T/other-key"
volume_new 2

refused() {	# refused WHAT PATTERN OPTIONS
	snapshot "$T/snap"
	must_fail timeout 20 mendfs -f ${3:+-o "$3"} "${REPLICAS[@]}" "$MNT"
	mountpoint -q "$MNT" && fail "$1: mounted"
	grep -q -E -e "$2" "$T/must_fail.out" || fail "$1: $(cat "$T/must_fail.out")"
	same "$1: lines of error" 1 "$(wc -l <"$T/must_fail.out")"
	unchanged "$T/snap" "$1"
}

refused "no key" key "codec=blake2b"
refused "no such key file" "$T/nowhere" "codec=blake2b,key-file=$T/nowhere"
for mode in 644 640 604 620; do
	chmod $mode "$T/key"
	refused "key file with mode $mode" "$T/key" "codec=blake2b,key-file=$T/key"
done
chmod 600 "$T/key"
: >"$T/empty-key"
chmod 600 "$T/empty-key"
refused "empty key file" "$T/empty-key" "codec=blake2b,key-file=$T/empty-key"

options=codec=blake2b,key-file=$T/key,read=round-robin
mount_up "$options"
echo secret >"$MNT/small"
head -c 3000000 /dev/urandom >"$MNT/large"
cp "$MNT/large" "$T/large"
mkdir "$MNT/dir"
echo one >"$MNT/dir/one"
echo two >"$MNT/dir/two"
grep -q -a "$(basename "$T/key")" "/proc/$DAEMON/environ" && fail "the key file shows in the environment"
mount_down
fsck_clean --key-file "$T/key"

refused "volume with a key, mounted without" key ""
refused "another key" key "codec=blake2b,key-file=$T/other-key"
refused "another codec" codec "codec=xxh3"
must_fail fsck.mendfs -n "${REPLICAS[@]}"
must_fail fsck.mendfs -n --key-file "$T/other-key" "${REPLICAS[@]}"
must_fail fsck.mendfs -y --key-file "$T/other-key" "${REPLICAS[@]}"

# The volume knows its codec; the key is enough.
mount_up "key-file=$T/key,read=round-robin"
same "content" secret "$(cat "$MNT/small")"

# Edited on purpose: with a record and tags that an xxh3 volume would vouch for.
volume=("${REPLICAS[@]}")
kept_mnt=$MNT kept_daemon=$DAEMON kept_log=$LOG
volume_new 1
mount_up
echo forged >"$MNT/small"
mount_down
forged=${REPLICAS[0]}
REPLICAS=("${volume[@]}") MNT=$kept_mnt DAEMON=$kept_daemon LOG=$kept_log
record=0x$(getfattr --absolute-names --only-values -n user.mendfs "$forged/small" | od -An -v -tx1 | tr -d ' \n')
mount_down
cp "$forged/small" "${REPLICAS[0]}/small"
setfattr -n user.mendfs -v "$record" "${REPLICAS[0]}/small"
touch -r "$forged/small" "${REPLICAS[0]}/small"
# And one file's content with its own sound record in another's place.
cp "${REPLICAS[1]}/dir/two" "${REPLICAS[1]}/dir/one"
record=0x$(getfattr --absolute-names --only-values -n user.mendfs "${REPLICAS[1]}/dir/two" | od -An -v -tx1 | tr -d ' \n')
setfattr -n user.mendfs -v "$record" "${REPLICAS[1]}/dir/one"
touch -r "${REPLICAS[1]}/dir/two" "${REPLICAS[1]}/dir/one"
flip "${REPLICAS[1]}/large" 2000000
mount_up "key-file=$T/key,read=round-robin"
for ((i = 0; i < 4; i++)); do
	uncached "$MNT/small" "$MNT/dir/one" "$MNT/large"
	same "forged file" secret "$(cat "$MNT/small")"
	same "exchanged file" one "$(cat "$MNT/dir/one")"
	cmp "$T/large" "$MNT/large" || fail "rot was served"
done
mount_down
fsck_clean --key-file "$T/key"
same_replicas

# MENDFS_KEY_FILE does as well.
MENDFS_KEY_FILE=$T/key mount_up
same "key file by environment" secret "$(cat "$MNT/small")"
mount_down
