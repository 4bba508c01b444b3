#!/bin/bash
# Folders that hold files already: refused, unless adopted; then the first one
# is the source, and none of its bytes, names or times changes.
. "$(dirname "$0")/lib.sh"

volume_new 2
cd "${REPLICAS[0]}" || exit 1
mkdir -p a/b
seq 100000 >a/large
echo hello >a/b/hello
ln a/b/hello a/link
ln -s b/hello a/symlink
mkfifo a/fifo
truncate -s 10M a/sparse
echo q >$'odd \xfe\nname'
chmod 0444 a/b/hello
chown -R 55:66 a
setfattr -n user.x -v y a/large
find . -depth -exec touch -h -d '2019-05-06 07:08:09.101112131' {} +
cd / || exit 1
cp -a --preserve=all "${REPLICAS[0]}" "$T/ref"

snapshot "$T/snap"
must_fail timeout 20 mendfs -f "${REPLICAS[@]}" "$MNT"
mountpoint -q "$MNT" && fail "mounted without adopt"
grep -q adopt "$T/must_fail.out" || fail "the error does not name the remedy: $(cat "$T/must_fail.out")"
unchanged "$T/snap" "refused for want of adopt"

# In the second place it is not the source: its files must not be lost.
must_fail timeout 20 mendfs -f "${REPLICAS[1]}" "${REPLICAS[0]}" "$MNT"
mountpoint -q "$MNT" && fail "mounted without adopt"
unchanged "$T/snap" "refused for want of adopt, the other way round"
if timeout 20 mendfs -f -o adopt "${REPLICAS[1]}" "${REPLICAS[0]}" "$MNT" >"$T/out" 2>&1; then
	mountpoint -q "$MNT" && umount "$MNT"
fi
same_trees "$T/ref" "${REPLICAS[0]}"
rm -rf "${REPLICAS[@]:?}"
cp -a --preserve=all "$T/ref" "${REPLICAS[0]}"
mkdir "${REPLICAS[1]}"

mount_up adopt
same_trees "$T/ref" "$MNT"
echo new >"$MNT/a/new"
rm "$MNT/a/new"
touch -d '2019-05-06 07:08:09.101112131' "$MNT/a"
all_well
same_trees "$T/ref" "${REPLICAS[0]}"
same_trees "$T/ref" "${REPLICAS[1]}"

# Proved from now on: rot in what was adopted is found and mended.
mount_up read=round-robin
flip "${REPLICAS[1]}/a/large" 5000
read_all "$MNT/a/large" || fail "read"
cmp "$T/ref/a/large" "${REPLICAS[1]}/a/large" || fail "rot in an adopted file was not mended"
all_well

# One replica alone.
volume_new 1
cp -a "$T/ref/." "${REPLICAS[0]}"
mount_up adopt
same_trees "$T/ref" "$MNT"
all_well
