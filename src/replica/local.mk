noinst_LIBRARIES += src/replica/libreplica.a
src_replica_libreplica_a_SOURCES = \
	src/replica/dir.c \
	src/replica/dir.h \
	src/replica/dir_files.c \
	src/replica/dir_inodes.c \
	src/replica/dir_lock.c \
	src/replica/dir_names.c \
	src/replica/dir_private.h \
	src/replica/fault.c \
	src/replica/fault.h \
	src/replica/guard.c \
	src/replica/guard.h \
	src/replica/guard_ops.c \
	src/replica/guard_private.h \
	src/replica/open.c \
	src/replica/open.h \
	src/replica/peer.c \
	src/replica/peer.h \
	src/replica/peer_files.c \
	src/replica/peer_open.c \
	src/replica/peer_ops.c \
	src/replica/peer_private.h \
	src/replica/peer_receive.c \
	src/replica/replica.c \
	src/replica/replica.h \
	src/replica/url.c \
	src/replica/url.h
