#!/bin/bash
# git works on the mount, on thousands of files, while bits are flipped on one
# replica at a time; the outcome is what it is on an untouched folder.
. "$(dirname "$0")/lib.sh"

needs git
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null HOME=$T
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example GIT_AUTHOR_DATE='2024-01-02T03:04:05Z'
export GIT_COMMITTER_NAME=c GIT_COMMITTER_EMAIL=c@example GIT_COMMITTER_DATE='2024-01-02T03:04:05Z'

# A few thousand real files.
mkdir "$T/input"
cp -a /usr/include "$T/input/" || fail "cp"
find "$T/input" -type f | LC_ALL=C sort | tail -n +"${LONG:+100001}${LONG:-4001}" | tr '\n' '\0' | xargs -0 -r rm
cp -a "$SOURCE/src" "$SOURCE/tests" "$T/input/" || fail "cp"
note "$(find "$T/input" -type f | wc -l) files"

story() {	# story FOLDER: the same commands give the same objects
	cd "$1" || return 1
	git init -q -b main repo && cd repo || return 1
	# Of so many loose objects one would begin in the background, and keep ours from beginning.
	git config gc.auto 0 || return 1
	cp -a "$T/input/." . || return 1
	git add -A && git commit -qm first || return 1
	git checkout -q -b side || return 1
	find . -name '*.h' -not -path './.git/*' | LC_ALL=C sort | sed -n 1,500p | while read -r f; do
		echo "/* seen */" >>"$f" || exit 1
	done || return 1
	git commit -qam second || return 1
	git mv src moved && git commit -qm third || return 1
	git checkout -q main && git merge -q --no-edit side || return 1
	git rm -q -r tests && git commit -qm fourth || return 1
	git stash list >/dev/null && git status --porcelain >status || return 1
	git gc -q --prune=now || return 1
	git fsck --full --strict >fsck 2>&1 || return 1
	git clone -q . ../clone && git clone -q --no-local --bare . ../bare.git || return 1
	git -C ../clone checkout -q side || return 1
	git -C ../clone repack -q -a -d -f && git -C ../clone fsck --full || return 1
	git -C ../bare.git fsck --full || return 1
	git rev-parse HEAD side >../heads
	cd / || return 1
}

in_memory
volume_new 2
mount_up
flip_start -r 40 -n 60 -s 30
(story "$MNT") >"$T/out" 2>&1 || fail "git: $(tail -n 5 "$T/out")"
flip_stop
mkdir "$T/ref"
(story "$T/ref") >"$T/out" 2>&1 || fail "git off the mount: $(tail -n 5 "$T/out")"
same "heads" "$(cat "$T/ref/heads")" "$(cat "$MNT/heads")"
# The index and logs hold times and inode numbers; the rest is the same, to the byte.
same_trees "$T/ref" "$MNT" -m -x .git -x bare.git
for repo in repo clone bare.git; do
	same "objects of $repo" "$(git -C "$T/ref/$repo" cat-file --batch-all-objects --batch-check | cksum)" \
	    "$(git -C "$MNT/$repo" cat-file --batch-all-objects --batch-check | cksum)"
	git -C "$MNT/$repo" fsck --full >"$T/out" 2>&1 || fail "git fsck $repo: $(cat "$T/out")"
done
cp -a "$MNT" "$T/copy"
all_well
same_trees "$T/copy" "${REPLICAS[0]}"
