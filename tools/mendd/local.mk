# All but main(), for the tests as well.
noinst_LIBRARIES += tools/mendd/libmendd.a
tools_mendd_libmendd_a_SOURCES = \
	tools/mendd/conf.c tools/mendd/conf.h \
	tools/mendd/confine.c tools/mendd/confine.h \
	tools/mendd/landlock.c tools/mendd/landlock.h \
	tools/mendd/seccomp.c tools/mendd/seccomp.h
