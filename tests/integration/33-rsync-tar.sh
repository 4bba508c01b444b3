#!/bin/bash
# rsync -aHAX and tar, to the mount and from it, with every attribute, while
# bits are flipped: neither finds a difference in either direction.
. "$(dirname "$0")/lib.sh"

needs rsync tar setfattr setfacl
mkdir "$T/ref"
cp -a /usr/share/doc "$T/ref/doc"
cp -a /usr/include/linux "$T/ref/linux"
if [ -z "$LONG" ]; then
	find "$T/ref/doc" -mindepth 1 -maxdepth 1 | LC_ALL=C sort | tail -n +400 | tr '\n' '\0' | xargs -0 -r rm -r
fi
cd "$T/ref" || exit 1
mkdir odd
head -c 8000000 /dev/urandom >odd/large
ln odd/large odd/large.too
truncate -s 40M odd/sparse
for at in 0 99999 10485760 40000000; do echo "at $at" | dd of=odd/sparse bs=1 seek=$at conv=notrunc status=none; done
echo linked >odd/link
for ((i = 0; i < 300; i++)); do ln odd/link "odd/link $i"; done
find linux -name '*.h' | head -n 200 | while read -r f; do ln "$f" "odd/$(echo "$f" | tr / _)"; done
mkfifo odd/fifo
mknod odd/null c 1 3
ln -s large odd/symlink
echo bytes >$'odd/\xff\xfe\t\n name'
chmod 4711 odd/large
chown -R 1000:1001 odd
setfacl -m u:1234:r odd/sparse
setfacl -d -m g:77:rx odd
setfattr -n user.mime_type -v text/plain odd/sparse
setfattr -n trusted.t -v v odd
find odd -depth -exec touch -h -d '2022-02-02 02:02:02.020202020' {} +
# rsync leaves a folder's time be that differs by less than a second, as a new one's may.
touch -d '2022-02-02 02:02:02.020202020' . doc
cd / || exit 1
note "$(find "$T/ref" | wc -l) names"

# nothing WHAT FILE: the list of differences is empty.
nothing() { [ ! -s "$2" ] || fail "$1: $(head -n 5 "$2")"; }

in_memory
volume_new 2
mount_up
mkdir "$MNT/a" "$MNT/b"
flip_start -r 60 -n 60 -s 33
must rsync -aHAX --numeric-ids "$T/ref/" "$MNT/a/"
rsync -aHAXnic --delete --numeric-ids "$T/ref/" "$MNT/a/" >"$T/diff" || fail "rsync -n"
nothing "rsync to the mount" "$T/diff"
rsync -aHAXnic --delete --numeric-ids "$MNT/a/" "$T/ref/" >"$T/diff" || fail "rsync -n back"
nothing "rsync from the mount" "$T/diff"
same_trees "$T/ref" "$MNT/a"

tar -C "$T/ref" -S --format=posix --acls --xattrs --xattrs-include='*' --numeric-owner -cf "$MNT/whole.tar" . || fail "tar c"
tar -C "$MNT/b" -S --acls --xattrs --xattrs-include='*' --numeric-owner -xpf "$MNT/whole.tar" || fail "tar x"
tar -C "$MNT/b" -S --acls --xattrs --numeric-owner -df "$MNT/whole.tar" >"$T/diff" 2>&1
nothing "tar d" "$T/diff"
tar -C "$MNT/b" -S --format=posix --acls --xattrs --xattrs-include='*' --numeric-owner -cf - . | tar -C "$T/ref" -df - >"$T/diff" 2>&1
nothing "tar from the mount" "$T/diff"
same_trees "$T/ref" "$MNT/b"

# In place and by halves: partial blocks of files that are being spoiled.
dd if=/dev/urandom of="$T/ref/odd/large" bs=1000 seek=7777 count=50 conv=notrunc status=none
must rsync -aHAX --inplace --no-whole-file --numeric-ids "$T/ref/" "$MNT/a/"
same_trees "$T/ref" "$MNT/a"
must rsync -aHAX --delete --numeric-ids "$MNT/a/" "$T/back/"
same_trees "$T/ref" "$T/back"
flip_stop
rm -rf "$MNT/b" || fail "rm -rf"
[ ! -e "$MNT/b" ] || fail "rm -rf left something"
all_well
same_trees "$T/ref" "${REPLICAS[1]}/a"
