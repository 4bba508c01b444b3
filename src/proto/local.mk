# proto: what a mount and a machine that lends it a replica say to each other.

noinst_LIBRARIES += src/proto/libproto.a
src_proto_libproto_a_SOURCES = \
	src/proto/entry.c \
	src/proto/errors.c src/proto/errors.h \
	src/proto/message.c src/proto/message.h \
	src/proto/name.c src/proto/name.h \
	src/proto/table.c src/proto/table.h
