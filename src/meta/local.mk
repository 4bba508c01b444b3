noinst_LIBRARIES += src/meta/libmeta.a
src_meta_libmeta_a_SOURCES = \
	src/meta/adopt.c \
	src/meta/adopt.h \
	src/meta/adopt_copy.c \
	src/meta/copy.c \
	src/meta/copy.h \
	src/meta/fitness.c \
	src/meta/fitness.h \
	src/meta/gather.c \
	src/meta/gather.h \
	src/meta/intent.c \
	src/meta/intent.h \
	src/meta/judge.c \
	src/meta/judge.h \
	src/meta/keyfile.c \
	src/meta/keyfile.h \
	src/meta/label.c \
	src/meta/label.h \
	src/meta/listing.c \
	src/meta/listing.h \
	src/meta/meta.c \
	src/meta/meta.h \
	src/meta/pending.c \
	src/meta/pending.h \
	src/meta/quarantine.c \
	src/meta/quarantine.h \
	src/meta/quarantine_list.c \
	src/meta/stamp.c \
	src/meta/stamp.h \
	src/meta/tagfile.c \
	src/meta/tagfile.h \
	src/meta/tags.c \
	src/meta/tags.h
