sbin_PROGRAMS += mendctl
mendctl_SOURCES = \
	tools/mendctl/command.h \
	tools/mendctl/explain.c \
	tools/mendctl/kept.c \
	tools/mendctl/kept.h \
	tools/mendctl/key.c \
	tools/mendctl/main.c \
	tools/mendctl/membership.c \
	tools/mendctl/metrics.c \
	tools/mendctl/quarantine.c \
	tools/mendctl/quarantine.h \
	tools/mendctl/resolve.c \
	tools/mendctl/restore.c \
	tools/mendctl/resync.c \
	tools/mendctl/scrub.c \
	tools/mendctl/status.c
mendctl_LDADD = src/control/libcontrol.a $(LIBS_CHECKER)
