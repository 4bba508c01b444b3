noinst_LIBRARIES += src/check/libfsck.a
src_check_libfsck_a_SOURCES = \
	src/check/accept.c src/check/accept.h \
	src/check/blocks.c src/check/blocks.h \
	src/check/check.c src/check/check.h \
	src/check/choose.c src/check/choose.h \
	src/check/corner.c src/check/corner.h \
	src/check/file.c src/check/file.h \
	src/check/idset.c src/check/idset.h \
	src/check/labels.c src/check/labels.h \
	src/check/links.c src/check/links.h \
	src/check/membership.c src/check/membership.h \
	src/check/mendnames.c src/check/mendnames.h \
	src/check/moves.c src/check/moves.h \
	src/check/names.c src/check/names.h \
	src/check/pages.c src/check/pages.h \
	src/check/place.c src/check/place.h \
	src/check/pool.c src/check/pool.h \
	src/check/progress.c src/check/progress.h \
	src/check/report.c src/check/report.h \
	src/check/resolve.c src/check/resolve.h \
	src/check/run.c src/check/run.h \
	src/check/sink.h \
	src/check/sink_json.c \
	src/check/sink_text.c \
	src/check/state.h \
	src/check/subject.c src/check/subject.h \
	src/check/walk.c src/check/walk.h
