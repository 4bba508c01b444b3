# format: what stands on disk; pure encoding and decoding.

noinst_LIBRARIES += src/format/libformat.a
src_format_libformat_a_SOURCES = \
	src/format/index.c src/format/index.h \
	src/format/inifile.c src/format/inifile.h \
	src/format/intent.c src/format/intent.h \
	src/format/jsonline.c src/format/jsonline.h \
	src/format/label.c src/format/label.h \
	src/format/pending.c src/format/pending.h \
	src/format/record.c src/format/record.h \
	src/format/roster.c src/format/roster.h \
	src/format/scrubstate.c src/format/scrubstate.h \
	src/format/tagpage.c src/format/tagpage.h
