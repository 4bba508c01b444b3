sbin_PROGRAMS += mendctl
mendctl_SOURCES = \
	tools/mendctl/command.h \
	tools/mendctl/main.c \
	tools/mendctl/resync.c
mendctl_LDADD = src/control/libcontrol.a $(LIBS_CHECKER)
