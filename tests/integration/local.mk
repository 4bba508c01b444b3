# Real mounts.  tools/test runs all scripts; make check the two that tell most
# in the shortest time.

check_PROGRAMS += tests/integration/treesum tests/integration/mksock \
	tests/integration/reseal tests/integration/mmapwork \
	tests/integration/manyfiles tests/integration/rawread \
	tests/integration/fsdown tests/integration/passfs \
	tests/integration/powerdisk tests/integration/delayproxy \
	tests/integration/idlers
tests_integration_treesum_SOURCES = tests/integration/treesum.c
tests_integration_mksock_SOURCES = tests/integration/mksock.c
tests_integration_reseal_SOURCES = tests/integration/reseal.c
tests_integration_mmapwork_SOURCES = tests/integration/mmapwork.c
tests_integration_fsdown_SOURCES = tests/integration/fsdown.c
tests_integration_passfs_SOURCES = tests/integration/passfs.c
tests_integration_passfs_CFLAGS = $(FUSE3_CFLAGS)
tests_integration_passfs_LDADD = $(FUSE3_LIBS)
tests_integration_rawread_SOURCES = tests/integration/rawread.c
tests_integration_powerdisk_SOURCES = tests/integration/powerdisk.c
tests_integration_powerdisk_LDADD = $(FUSE3_LIBS)
tests_integration_delayproxy_SOURCES = tests/integration/delayproxy.c
tests_integration_idlers_SOURCES = tests/integration/idlers.c
tests_integration_idlers_LDADD = $(LIBS_REPLICA)
tests_integration_manyfiles_SOURCES = tests/integration/manyfiles.c

integration_tests = \
	tests/integration/10-mount.sh \
	tests/integration/11-bad-input.sh \
	tests/integration/12-config.sh \
	tests/integration/13-user.sh \
	tests/integration/14-adopt.sh \
	tests/integration/15-degraded.sh \
	tests/integration/16-stalled.sh \
	tests/integration/20-rot.sh \
	tests/integration/21-swapped.sh \
	tests/integration/22-all-bad.sh \
	tests/integration/22-index.sh \
	tests/integration/23-kills.sh \
	tests/integration/23-unclean.sh \
	tests/integration/24-keyed.sh \
	tests/integration/25-patrol.sh \
	tests/integration/25-power-cut.sh \
	tests/integration/25-return.sh \
	tests/integration/26-resync.sh \
	tests/integration/27-hang.sh \
	tests/integration/27-lost.sh \
	tests/integration/28-control.sh \
	tests/integration/28-key.sh \
	tests/integration/29-explain.sh \
	tests/integration/29-onevent.sh \
	tests/integration/29-status.sh \
	tests/integration/30-git.sh \
	tests/integration/31-sqlite.sh \
	tests/integration/32-postgres.sh \
	tests/integration/33-rsync-tar.sh \
	tests/integration/34-build.sh \
	tests/integration/35-exec-mmap.sh \
	tests/integration/40-filesystems.sh \
	tests/integration/41-full.sh \
	tests/integration/42-unfit.sh \
	tests/integration/45-calls.sh \
	tests/integration/50-fsck.sh \
	tests/integration/52-scrub.sh \
	tests/integration/53-fsck-online.sh \
	tests/integration/60-leaks.sh \
	tests/integration/61-chaos.sh \
	tests/integration/70-quarantine.sh \
	tests/integration/72-fork.sh \
	tests/integration/74-membership.sh \
	tests/integration/76-operations.sh \
	tests/integration/79-mendd.sh \
	tests/integration/80-remote.sh \
	tests/integration/81-links.sh \
	tests/integration/82-remote-kills.sh \
	tests/integration/83-strangers.sh \
	tests/integration/84-far.sh \
	tests/integration/85-spoiled-line.sh \
	tests/integration/86-ssh.sh \
	tests/integration/87-ack-fsync.sh \
	tests/integration/long-remote-chaos.sh \
	tests/integration/long-glusterfs.sh
dist_noinst_SCRIPTS += $(integration_tests)
dist_noinst_DATA += tests/integration/lib.sh tests/integration/hosts.sh \
	tests/integration/chaos.sh

TESTS += tests/integration/10-mount.sh tests/integration/20-rot.sh
