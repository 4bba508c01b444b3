# control: what the administrator asks of a daemon, and its answers.

noinst_LIBRARIES += src/control/libcontrol.a
src_control_libcontrol_a_SOURCES = \
	src/control/client.c src/control/client.h \
	src/control/commands.c \
	src/control/membership.c \
	src/control/explain.c \
	src/control/fsck.c \
	src/control/metrics.c src/control/metrics.h \
	src/control/onevent.c src/control/onevent.h \
	src/control/place.c src/control/place.h \
	src/control/purge.c \
	src/control/replicas.c \
	src/control/request.c src/control/request.h \
	src/control/resync.c \
	src/control/scrub.c \
	src/control/server.c src/control/server.h \
	src/control/status.c
