noinst_LIBRARIES += src/fuse/libfront.a
src_fuse_libfront_a_SOURCES = \
	src/fuse/caller.c src/fuse/caller.h \
	src/fuse/conffile.c src/fuse/conffile.h \
	src/fuse/device.c src/fuse/device.h \
	src/fuse/front.h \
	src/fuse/init.c \
	src/fuse/inodes.h \
	src/fuse/libfuse.h \
	src/fuse/loop.c src/fuse/loop.h \
	src/fuse/ops.c src/fuse/ops.h \
	src/fuse/ops_attr.c \
	src/fuse/ops_dir.c \
	src/fuse/ops_file.c \
	src/fuse/ops_names.c \
	src/fuse/options.c src/fuse/options.h \
	src/fuse/serve.c src/fuse/serve.h \
	src/fuse/settings.c src/fuse/settings.h \
	src/fuse/settle.c src/fuse/settle.h \
	src/fuse/signals.c src/fuse/signals.h \
	src/fuse/usage.c src/fuse/usage.h \
	src/fuse/wire.c src/fuse/wire.h

bin_PROGRAMS += mendfs
mendfs_SOURCES = src/fuse/main.c
mendfs_LDADD = $(LIBS_FRONT)
