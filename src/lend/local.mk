# lend: a replica lent to others; the server's side of a session.

noinst_LIBRARIES += src/lend/liblend.a
src_lend_liblend_a_SOURCES = \
	src/lend/change.c src/lend/change.h \
	src/lend/digest.c src/lend/digest.h \
	src/lend/execute.c src/lend/execute.h \
	src/lend/handles.c src/lend/handles.h \
	src/lend/jobs.c src/lend/jobs.h \
	src/lend/quota.c src/lend/quota.h \
	src/lend/replies.c src/lend/replies.h \
	src/lend/session.c src/lend/session.h
