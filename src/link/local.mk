# link: authenticated, encrypted frames between two machines.

noinst_LIBRARIES += src/link/liblink.a
src_link_liblink_a_SOURCES = \
	src/link/cipher.c src/link/cipher.h \
	src/link/frame.c src/link/frame.h \
	src/link/greeting.c src/link/greeting.h \
	src/link/link.c src/link/link.h src/link/link_private.h \
	src/link/receive.c \
	src/link/send.c
