#!/bin/bash
# Programs and libraries run from the mount, and files are shared through
# writable mappings, while bits are flipped.
. "$(dirname "$0")/lib.sh"

needs gcc
MMAPWORK=$(helper tests/integration/mmapwork) || fail "cannot build mmapwork"
volume_new 2
mount_up
mkdir "$MNT/bin"
cp -L "$(command -v bash)" "$(command -v sort)" "$(command -v tar)" "$(gcc -print-prog-name=cc1)" "$MNT/bin" || fail cp
libraries=$(ldd "$(command -v bash)" | awk '/=> \// { print $3 }')
for lib in $libraries; do cp -L "$lib" "$MNT/bin"; done
seq 50000 | rev >"$T/lines"
sort "$T/lines" >"$T/sorted"
printf 'int f(int x) { return x * 3 + 1; }\n' >"$T/f.c"
cc1=$(gcc -print-prog-name=cc1)
"$cc1" -quiet -O2 "$T/f.c" -o "$T/f.s" || fail cc1

flip_start -r 60 -n 40 -s 35
rounds=${LONG:+60}
"$MMAPWORK" "$MNT/shared" 2097152 "${rounds:-12}" &
worker=$!
CHILDREN+=("$worker")
for ((i = 0; i < ${rounds:-12}; i++)); do
	# Pages of a program are read anew each time.
	uncached "$MNT"/bin/*
	same "bash" 42 "$(LD_LIBRARY_PATH=$MNT/bin "$MNT/bin/bash" -c 'echo $((6 * 7))')"
	"$MNT/bin/sort" "$T/lines" | cmp - "$T/sorted" || fail "sort"
	"$MNT/bin/cc1" -quiet -O2 "$T/f.c" -o "$MNT/f.s" || fail "cc1 from the mount"
	cmp "$T/f.s" "$MNT/f.s" || fail "cc1 from the mount gives other code"
	cp "$MNT/bin/bash" "$MNT/bin/new" && mv "$MNT/bin/new" "$MNT/bin/bash" || fail "replacing a program"
done
wait $worker || fail "mmapwork: status $?"
CHILDREN=()
flip_stop

# A program that runs cannot be written to, as everywhere.
cp "$(command -v sleep)" "$MNT/bin/sleep"
"$MNT/bin/sleep" 30 &
sleeper=$!
CHILDREN+=("$sleeper")
sleep 0.2
must_fail sh -c "echo x >>'$MNT/bin/sleep'"
rm "$MNT/bin/sleep" || fail "rm of a running program"
kill $sleeper
wait $sleeper 2>/dev/null
"$MMAPWORK" -v "$MNT/shared" || fail "the shared file is not what was stored through the mapping"
remount
"$MMAPWORK" -v "$MNT/shared" || fail "the shared file is another after a remount"
all_well
