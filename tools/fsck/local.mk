sbin_PROGRAMS += fsck.mendfs
fsck_mendfs_SOURCES = \
	tools/fsck/bar.c tools/fsck/bar.h \
	tools/fsck/main.c \
	tools/fsck/mounted.c tools/fsck/mounted.h
fsck_mendfs_LDADD = src/check/libfsck.a $(LIBS_META)
