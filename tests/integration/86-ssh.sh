#!/bin/bash
# A replica behind a real sshd, with a configuration, port and keys of its own;
# the machine's stays as it is.
. "$(dirname "$0")/lib.sh"

needs ssh ssh-keygen jq
SSHD=$(command -v sshd) || skip "needs sshd"

mkdir -p "$T/ssh" && chmod 700 "$T/ssh"
for key in host user looker; do ssh-keygen -q -t ed25519 -N '' -C "$key" -f "$T/ssh/$key" || fail "ssh-keygen"; done
PORT=$((20000 + $$ % 20000))
FAR=$BASE/far
mkdir "$FAR"
# The one key may do anything, the other one only look at this one directory.
{
	cat "$T/ssh/user.pub"
	echo "command=\"$BUILD/mendd --stdio $FAR --read-only\",restrict $(cat "$T/ssh/looker.pub")"
} >"$T/ssh/authorized"
cat >"$T/ssh/sshd_config" <<EOF
ListenAddress 127.0.0.1
Port $PORT
HostKey $T/ssh/host
PidFile $T/ssh/pid
AuthorizedKeysFile $T/ssh/authorized
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
SetEnv PATH=$BUILD:/usr/sbin:/usr/bin:/sbin:/bin
EOF
echo "[127.0.0.1]:$PORT $(cat "$T/ssh/host.pub")" >"$T/ssh/known"
cat >"$T/ssh/config" <<EOF
Host *
	UserKnownHostsFile $T/ssh/known
	IdentityFile $T/ssh/user
	IdentitiesOnly yes
	StrictHostKeyChecking yes
EOF
# What mendfs starts as ssh: the same, with another configuration than this user's.
cat >"$T/ssh/ssh" <<EOF
#!/bin/sh
exec ssh -F "\${CONFIG:-$T/ssh/config}" "\$@"
EOF
chmod +x "$T/ssh/ssh"
export MENDFS_SSH=$T/ssh/ssh
[ -d /run/sshd ] || { mkdir -p /run/sshd && UNDO+=("rmdir /run/sshd"); }
"$SSHD" -D -e -f "$T/ssh/sshd_config" >"$T/ssh/log" 2>&1 3>&- &
CHILDREN+=($!)
await 10 "grep -q 'Server listening' $T/ssh/log" || { cat "$T/ssh/log" >&2; skip "sshd does not run here"; }

volume_new 1
REPLICAS+=("ssh://127.0.0.1:$PORT$FAR")

note "written through ssh"
mount_up link-timeout=2
cp -a "$SOURCE/src/util" "$MNT/" && mv "$MNT/util/io.c" "$MNT/util/oi.c" && chmod 4755 "$MNT/util/log.c" && mkdir "$MNT/d" || fail "work"
head -c 3M /dev/urandom >"$MNT/large" || fail "large"
cp "$MNT/large" "$T/large"
mount_down
same_trees "${REPLICAS[0]}" "$FAR"
fsck.mendfs -n "${REPLICAS[0]}" "$FAR" >/dev/null || fail "fsck.mendfs -n: status $?"

note "mended from there"
flip "${REPLICAS[0]}/large" 1000000 100
mount_up link-timeout=2
must cmp "$MNT/large" "$T/large"
log_wait 'mended .large'

note "ssh killed: it comes back by itself"
SSH=$(pgrep -P "$DAEMON" -x ssh) || fail "the daemon has no ssh"
kill -KILL "$SSH"
echo more >"$MNT/more" || fail "a program was refused"
await 20 '[ "$(log_count "in sync again")" -ge 1 ]' || fail "it did not come back"
await 10 '[ "$(mendctl status --json "$MNT" | jq .in_sync)" = 2 ]' || fail "not in sync"
mount_down
must cmp "${REPLICAS[0]}/more" "$FAR/more"
[ "$(pgrep -c -f "mendd --stdio $FAR")" = 0 ] || await 5 "! pgrep -f 'mendd --stdio $FAR' >/dev/null" || fail "mendd stays behind"

note "the key that may only look"
sed "s|IdentityFile.*|IdentityFile $T/ssh/looker|" "$T/ssh/config" >"$T/ssh/config.looker"
export CONFIG=$T/ssh/config.looker
must_fail timeout 30 mendfs -f "${REPLICAS[@]}" "$MNT"
mount_up ro
must cmp "$MNT/large" "$T/large"
must_fail touch "$MNT/new"
mount_down

note "refusals are told in one line"
sed "s|IdentityFile.*|IdentityFile $T/ssh/host|" "$T/ssh/config" >"$T/ssh/config.none"
CONFIG=$T/ssh/config.none must_fail timeout 30 mendfs -f "${REPLICAS[@]}" "$MNT"
grep -q 'ssh://127.0.0.1.*ssh' "$T/must_fail.out" || { cat "$T/must_fail.out" >&2; fail "it is not said why"; }
unset CONFIG
must_fail timeout 30 mendfs -f "${REPLICAS[0]}" "ssh://127.0.0.1:$PORT$FAR.nothing" "$MNT"
must_fail timeout 30 mendfs -f "${REPLICAS[0]}" "ssh://-oProxyCommand=touch%20$T%2Fbad/x" "$MNT"
[ ! -e "$T/bad" ] || fail "a host's name became an option"
