# All but main(), for the tests as well.
noinst_LIBRARIES += tools/mendd/libmendd.a
tools_mendd_libmendd_a_SOURCES = \
	tools/mendd/conf.c tools/mendd/conf.h \
	tools/mendd/confine.c tools/mendd/confine.h \
	tools/mendd/landlock.c tools/mendd/landlock.h \
	tools/mendd/listen.c tools/mendd/listen.h \
	tools/mendd/options.c tools/mendd/options.h \
	tools/mendd/seccomp.c tools/mendd/seccomp.h \
	tools/mendd/serve.c tools/mendd/serve.h \
	tools/mendd/sessions.c tools/mendd/sessions.h \
	tools/mendd/strangers.c tools/mendd/strangers.h \
	tools/mendd/supervise.c tools/mendd/supervise.h

sbin_PROGRAMS += mendd
mendd_SOURCES = tools/mendd/main.c
mendd_LDADD = tools/mendd/libmendd.a $(LIBS_LEND)
