# The daemon killed in the midst of work; shares no code with src/.

check_PROGRAMS += tests/kills/kills
tests_kills_kills_SOURCES = \
	tests/kills/kills.c tests/kills/kills.h \
	tests/kills/look.c \
	tests/kills/model.c \
	tests/kills/work.c
