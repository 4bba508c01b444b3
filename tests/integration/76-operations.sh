#!/bin/bash
# doc/OPERATIONS.md is true: the commands of each of its stories are given, and
# what they say is compared with what stands there.
#
# A story is a block of lines between ```console and ```, a command behind each
# "$ ".  They begin with a volume's directories empty, /srv/a, /srv/b, ..., and its
# mountpoint, /srv/data.  Times, ids and numbers of events are made equal.
#
# UPDATE=1 writes into the document what is said now.
. "$(dirname "$0")/lib.sh"

needs python3 jq
document=$SOURCE/doc/OPERATIONS.md
cat >"$T/tell" <<'PY'
import os, re, subprocess, sys
document, top, update = sys.argv[1], sys.argv[2], sys.argv[3:] == ['1']
text = open(document).read()

def normal(said):
    said = said.replace(top, '')
    # Said by the daemon, a moment before or after it goes to the background.
    said = re.sub(r'mendfs: \S+: (bringing it up to date|in sync again).*\n', '', said)
    said = re.sub(r'\d{8}T\d{6}Z-\d+', '20260101T120000Z-0', said)
    said = re.sub(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d', '2026-01-01 12:00:00', said)
    said = re.sub(r'after \d+ ms', 'after 99 ms', said)
    said = re.sub(r'event \d+', 'event 9', said)
    return said

def story(block):
    """The block as it comes out now."""
    commands = [l[2:] for l in block.splitlines() if l.startswith('$ ')]
    script = 'cd /; exec 2>&1; umask 022\n'
    for c in commands:
        script += "printf '%s\\n' " + "'$ " + c.replace("'", "'\\''") + "'\n" + c.replace('/srv', top + '/srv') + '\n'
    run = subprocess.run(['bash', os.environ['STORY']], input=script, text=True, capture_output=True, timeout=120)
    return normal(run.stdout + run.stderr)

bad = False
def each(match):
    global bad
    now = story(match.group(1))
    if now != match.group(1) and not update:
        bad = True
        import difflib
        sys.stderr.writelines(difflib.unified_diff(match.group(1).splitlines(True), now.splitlines(True), 'document', 'now'))
    return '```console\n' + now + '```'

new = re.sub(r'```console\n(.*?)```', each, text, flags=re.S)
if update:
    open(document, 'w').write(new)
sys.exit(1 if bad else 0)
PY

# What surrounds each story: its directories; afterwards nothing of it is left mounted.
cat >"$T/story" <<'SH'
rm -rf "$TOP/srv"; mkdir -p "$TOP/srv/a" "$TOP/srv/b" "$TOP/srv/c" "$TOP/srv/data" "$TOP/srv/look"
mounts() { mountpoint -q "$TOP/srv/$1"; }
# The shell waits where a person would: for the daemon to end after umount, ...
umount() { command umount "$@"; for ((i = 0; i < 200; i++)); do lock "$TOP/srv/a" && lock "$TOP/srv/b" && lock "$TOP/srv/c" && break; sleep 0.05; done; }
lock() { [ ! -d "$1" ] || flock -n "$1" true; }
# ... and for all replicas to be in sync.
in_sync() { mounts data || return 0; for ((i = 0; i < 200; i++)); do [ "$(mendctl resync "$TOP/srv/data")" = "all replicas are in sync" ] && break; sleep 0.1; done; }
cat() { in_sync; command cat "$@"; }
mendctl() { [ "$1" != quarantine ] || in_sync; command mendctl "$@"; }
kill_daemon() { :; }
source /dev/stdin
for m in data look; do mounts "$m" && umount "$TOP/srv/$m"; done
true
SH
sed -i 's/^kill_daemon.*$//' "$T/story"
export TOP=$T STORY=$T/story
UNDO+=('for m in data look; do mountpoint -q "$T/srv/$m" && umount -l "$T/srv/$m"; done')
python3 "$T/tell" "$document" "$T" "${UPDATE:-}" || fail "doc/OPERATIONS.md tells something else; UPDATE=1 $0 writes it anew"
