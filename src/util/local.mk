# util: no knowledge of file systems.

noinst_LIBRARIES += src/util/libutil.a
src_util_libutil_a_SOURCES = \
	src/util/aside.c src/util/aside.h \
	src/util/buf.c src/util/buf.h \
	src/util/bulk.c src/util/bulk.h \
	src/util/clock.c src/util/clock.h \
	src/util/daemon.c src/util/daemon.h \
	src/util/hashmap.c src/util/hashmap.h \
	src/util/io.c src/util/io.h \
	src/util/lane.c src/util/lane.h \
	src/util/list.h \
	src/util/log.c src/util/log.h \
	src/util/private.c src/util/private.h \
	src/util/processors.c src/util/processors.h \
	src/util/roll.c src/util/roll.h \
	src/util/stall.c src/util/stall.h \
	src/util/text.c src/util/text.h \
	src/util/uuid.c src/util/uuid.h
