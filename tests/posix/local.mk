# POSIX conformance.
