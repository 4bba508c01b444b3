sbin_PROGRAMS += fsck.mendfs
fsck_mendfs_SOURCES = \
	tools/fsck/bar.c tools/fsck/bar.h \
	tools/fsck/main.c \
	tools/fsck/online.c tools/fsck/online.h
fsck_mendfs_LDADD = src/check/libfsck.a src/control/libcontrol.a $(LIBS_CHECKER)
