#!/bin/bash
# The system calls that the daemon makes per operation stay within their limits.
. "$(dirname "$0")/lib.sh"

# A sanitized daemon makes calls of its own.
[ -z "${SANITIZED:-}" ] || { note "not counted in a sanitized build"; exit 0; }
needs strace
export BUILD TMPDIR=$T
"$SOURCE/tools/dev/calls" >"$T/out" 2>&1
status=$?
cat "$T/out" >&2
[ $status -ne 77 ] || skip "tools/dev/calls cannot count here"
[ $status -eq 0 ] || fail "over a limit, or it could not count: status $status"
