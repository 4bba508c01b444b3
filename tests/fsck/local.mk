# Damaged volumes for fsck.mendfs: one file in cases/ for each kind of damage.

check_PROGRAMS += tests/fsck/volume
tests_fsck_volume_SOURCES = tests/fsck/volume.c
tests_fsck_volume_LDADD = $(LIBS_META)

TESTS += tests/fsck/run
dist_noinst_SCRIPTS += tests/fsck/run
EXTRA_DIST += tests/fsck/cases
