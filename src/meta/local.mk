noinst_LIBRARIES += src/meta/libmeta.a
src_meta_libmeta_a_SOURCES = \
	src/meta/intent.c \
	src/meta/intent.h \
	src/meta/label.c \
	src/meta/label.h \
	src/meta/meta.c \
	src/meta/meta.h \
	src/meta/tags.c \
	src/meta/tags.h
