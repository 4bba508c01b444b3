# What a POSIX file system owes, case by case.

check_PROGRAMS += tests/posix/posix
tests_posix_posix_SOURCES = \
	tests/posix/acl.c \
	tests/posix/attrs.c \
	tests/posix/data.c \
	tests/posix/differential.c \
	tests/posix/dirs.c \
	tests/posix/locks.c \
	tests/posix/map.c \
	tests/posix/names.c \
	tests/posix/open.c \
	tests/posix/posix.c tests/posix/posix.h \
	tests/posix/rename.c \
	tests/posix/special.c \
	tests/posix/times.c \
	tests/posix/xattr.c

dist_noinst_SCRIPTS += tests/posix/run
