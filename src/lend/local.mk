# lend: a replica lent to others; the server's side of a session.

noinst_LIBRARIES += src/lend/liblend.a
src_lend_liblend_a_SOURCES = \
	src/lend/quota.c src/lend/quota.h \
	src/lend/session.h
