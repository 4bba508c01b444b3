#!/bin/bash
# mendctl key: makes keys, never over others, shows them, and pins those of servers.
. "$(dirname "$0")/lib.sh"

export MENDFS_KEY=$T/etc/key MENDFS_KNOWN_SERVERS=$T/etc/known-servers

# refused STATUS TEXT WORD...: mendctl says so, and prints nothing else.
refused() {
	local want=$1 text=$2 status
	shift 2
	mendctl "$@" >"$T/out" 2>"$T/err" </dev/null
	status=$?
	[ "$status" = "$want" ] || fail "mendctl $*: exit status $status, wanted $want: $(cat "$T/err")"
	[ ! -s "$T/out" ] || fail "mendctl $*: wrote $(cat "$T/out")"
	grep -qF -- "$text" "$T/err" || fail "mendctl $*: wanted '$text', got: $(cat "$T/err")"
}
refused 2 'new, show or trust?' key
refused 2 'new, show or trust?' key old
refused 2 'takes -f FILE' key new "$T/x"
refused 1 'make one with "mendctl key new"' key show

key=$(must mendctl key new)
[[ $key =~ ^mendfs-key:[A-Za-z0-9+/]{43}=$ ]] || fail "no key: $key"
same "what is shown" "$key" "$(must mendctl key show)"
same "its mode" 600 "$(stat -c %a "$MENDFS_KEY")"
same "lines of it" 1 "$(wc -l <"$MENDFS_KEY")"
before=$(cat "$MENDFS_KEY")
refused 1 'is not overwritten' key new
same "the key after that" "$before" "$(cat "$MENDFS_KEY")"
other=$(must mendctl key new -f "$T/other")
[ "$other" != "$key" ] || fail "the same key twice"
same "another file" "$other" "$(must mendctl key show "$T/other")"
chmod 644 "$T/other"
refused 1 'chmod 600' key show "$T/other"

refused 2 'which server' key trust nas
refused 1 'is not HOST' key trust -nas "$key"
refused 1 'is no public key' key trust nas "${key%=}"
refused 1 'is no public key' key trust nas "$before"
must mendctl key trust NAS "$key"
must mendctl key trust nas:6363 "$key"
must mendctl key trust nas:7000 "$other"
must mendctl key trust '[fd00::1]' "$other"
refused 1 'remove that line first' key trust nas "$other"
same "known servers" "nas:6363 $key
nas:7000 $other
[fd00::1]:6363 $other" "$(cat "$MENDFS_KNOWN_SERVERS")"
chmod 666 "$MENDFS_KNOWN_SERVERS"
refused 1 'chmod 644' key trust other "$key"
