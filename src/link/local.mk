# link: authenticated, encrypted frames between two machines.

noinst_LIBRARIES += src/link/liblink.a
src_link_liblink_a_SOURCES = \
	src/link/accept.c src/link/accept.h \
	src/link/address.c src/link/address.h \
	src/link/child.c src/link/child.h \
	src/link/cipher.c src/link/cipher.h \
	src/link/connect.c src/link/connect.h \
	src/link/first.c src/link/first.h \
	src/link/frame.c src/link/frame.h \
	src/link/greeting.c src/link/greeting.h \
	src/link/key.c src/link/key.h \
	src/link/known.c src/link/known.h \
	src/link/link.c src/link/link.h src/link/link_private.h \
	src/link/noise.c src/link/noise.h \
	src/link/receive.c \
	src/link/send.c \
	src/link/squeeze.c src/link/squeeze.h \
	src/link/ssh.c src/link/ssh.h \
	src/link/terms.c src/link/terms.h \
	src/link/wire.c src/link/wire.h
