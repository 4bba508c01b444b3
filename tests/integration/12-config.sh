#!/bin/bash
# The other ways to say it: mount(8), fstab, /etc/mendfs/NAME.conf, environment;
# and which wins: command line, environment, file, default.
. "$(dirname "$0")/lib.sh"

volume_new 2
r0=${REPLICAS[0]} r1=${REPLICAS[1]}
spec=$r0:$r1
conf_name=mendfs-test-$$
conf=/etc/mendfs/$conf_name.conf
[ -d /etc/mendfs ] || { mkdir /etc/mendfs && UNDO+=("rmdir /etc/mendfs"); }
UNDO+=("rm -f $conf")
MOUNTS+=("$MNT")
ln -s "$BUILD/mendfs" "$T/mount.mendfs"
# mount(8) takes PATH away from its helper, so it finds the program where sh does.
if [ ! -e /usr/local/bin/mendfs ] && [ ! -L /usr/local/bin/mendfs ]; then
	ln -s "$BUILD/mendfs" /usr/local/bin/mendfs && UNDO+=("rm -f /usr/local/bin/mendfs")
fi

# settled: the daemon in the background has let go of the replicas.
settled() {
	local i
	for ((i = 0; i < 100; i++)); do
		fsck.mendfs -n "$r0" "$r1" >"$T/out" 2>&1 && return
		sleep 0.1
	done
	fail "$1: the daemon does not end, or fsck -n is not content: $(tail -n 3 "$T/out")"
}
# up WHAT: it is mounted, and is what it should be; then take it down.
up() {
	mountpoint -q "$MNT" || fail "$1: not mounted"
	same "$1: type" fuse.mendfs "$(findmnt -no FSTYPE "$MNT")"
	same "$1: content" content "$(cat "$MNT/file")"
	umount "$MNT" || fail "$1: umount"
	settled "$1"
}

mendfs "$r0" "$r1" "$MNT" || fail "mendfs"
echo content >"$MNT/file"
up "mendfs"

must mount -t fuse.mendfs "$spec" "$MNT" -o noatime
up "mount -t fuse.mendfs"
must mount -t fuse.mendfs "$spec" "$MNT" -o ro,nosuid,nodev
findmnt -no OPTIONS "$MNT" | grep -q '^ro,.*nosuid' || fail "options of mount(8): $(findmnt -no OPTIONS "$MNT")"
must_fail touch "$MNT/file"
up "mount -o ro"
must "$T/mount.mendfs" "$spec" "$MNT" -o rw
up "mount.mendfs"
must "$T/mount.mendfs" "$spec" "$MNT" -n -v -o defaults,noauto,nofail,_netdev,x-systemd.automount >/dev/null
up "mount.mendfs with fstab's options"
must_fail "$T/mount.mendfs" "$spec" "$MNT" -o nonsense
must "$T/mount.mendfs" "$spec" "$MNT" -s -o nonsense
up "mount.mendfs -s"

echo "$spec $MNT fuse.mendfs read=first,noatime 0 0" >"$T/fstab"
must mount -T "$T/fstab" "$MNT"
up "fstab"

# A file of its own.
cat >"$conf" <<END
# What is mounted, and where.
replica = $r0
replica = $r1
mountpoint = $MNT

read = round-robin
END
must mendfs "$conf_name"
up "mendfs NAME"
must "$T/mount.mendfs" "$conf_name" "$MNT"
up "mount.mendfs NAME"
echo "$conf_name $MNT fuse.mendfs defaults 0 0" >"$T/fstab"
must mount -T "$T/fstab" "$MNT"
up "fstab NAME"

# Lines that are wrong: file and line are named, nothing is mounted or changed.
refused() {	# refused WHAT PATTERN LINE
	snapshot "$T/snap"
	printf '%s\n' "replica = $r0" "replica = $r1" "mountpoint = $MNT" "$3" >"$conf"
	must_fail timeout 20 mendfs "$conf_name"
	mountpoint -q "$MNT" && fail "$1: mounted"
	grep -q -E -e "$conf:4.*$2" "$T/must_fail.out" || fail "$1: $(cat "$T/must_fail.out")"
	same "$1: lines of error" 1 "$(wc -l <"$T/must_fail.out")"
	unchanged "$T/snap" "$1"
}
refused "unknown key" nonsense "nonsense = 1"
refused "bad value" md5 "codec = md5"
refused "no equals sign" "" "just words"
refused "bad number" "min-replicas|17" "min-replicas = 17"
refused "a section" "" "[section"
rm "$conf"
must_fail mendfs "$conf_name"
grep -q "$conf" "$T/must_fail.out" || fail "the missing file is not named: $(cat "$T/must_fail.out")"

# Precedence, by the codec that a new volume gets.
head -c 32 /dev/urandom >"$T/key"
chmod 600 "$T/key"
codec_of() {	# codec_of WORDS...: mendfs's; the codec that was chosen
	local pid i
	rm -rf "$T/p0" "$T/p1"
	mkdir "$T/p0" "$T/p1"
	printf '%s\n' "replica = $T/p0" "replica = $T/p1" "mountpoint = $MNT" "key-file = $T/key" >"$conf"
	[ -z "$in_file" ] || echo "codec = $in_file" >>"$conf"
	mendfs -f "$@" "$conf_name" >"$T/out" 2>&1 &
	pid=$!
	for ((i = 0; i < 200; i++)); do
		mountpoint -q "$MNT" && break
		sleep 0.05
	done
	umount "$MNT" && wait $pid || fail "mendfs $*: $(cat "$T/out")"
	sed -n 's/^codec = //p' "$T/p0/.mendfs/label"
}
in_file=
same "default" xxh3 "$(codec_of)"
in_file=blake2b
same "file over default" blake2b "$(codec_of)"
same "environment over file" xxh3 "$(MENDFS_CODEC=xxh3 codec_of)"
same "command line over environment" blake2b "$(MENDFS_CODEC=xxh3 codec_of -o codec=blake2b)"
in_file=xxh3
same "command line over file" blake2b "$(codec_of -o codec=blake2b)"
# The mountpoint too: a second word is the command line's.
mkdir "$T/elsewhere"
MOUNTS+=("$T/elsewhere")
printf '%s\n' "replica = $r0" "replica = $r1" "mountpoint = $MNT" >"$conf"
must mendfs "$conf_name" "$T/elsewhere"
mountpoint -q "$T/elsewhere" || fail "mountpoint of the command line"
mountpoint -q "$MNT" && fail "mountpoint of the file"
umount "$T/elsewhere"
settled "the end"
