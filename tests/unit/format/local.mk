# Unit tests of src/format.

format_tests = \
	tests/unit/format/test_events \
	tests/unit/format/test_index \
	tests/unit/format/test_intent \
	tests/unit/format/test_jsonline \
	tests/unit/format/test_label \
	tests/unit/format/test_pending \
	tests/unit/format/test_record \
	tests/unit/format/test_scrubstate \
	tests/unit/format/test_tagpage
check_PROGRAMS += $(format_tests)
TESTS += $(format_tests)

format_test_libs = $(LIBS_FORMAT) $(CHECK_LIBS)

tests_unit_format_test_events_SOURCES = tests/unit/format/test_events.c $(unit_headers)
tests_unit_format_test_events_LDADD = $(format_test_libs)
tests_unit_format_test_index_SOURCES = tests/unit/format/test_index.c \
	$(unit_headers) tests/unit/hex.h
tests_unit_format_test_index_LDADD = $(format_test_libs)
tests_unit_format_test_intent_SOURCES = tests/unit/format/test_intent.c \
	$(unit_headers) tests/unit/hex.h
tests_unit_format_test_intent_LDADD = $(format_test_libs)
tests_unit_format_test_jsonline_SOURCES = tests/unit/format/test_jsonline.c $(unit_headers)
tests_unit_format_test_jsonline_LDADD = $(format_test_libs)
tests_unit_format_test_label_SOURCES = tests/unit/format/test_label.c \
	$(unit_headers) tests/unit/hex.h
tests_unit_format_test_label_LDADD = $(format_test_libs)
tests_unit_format_test_pending_SOURCES = tests/unit/format/test_pending.c \
	$(unit_headers) tests/unit/hex.h
tests_unit_format_test_pending_LDADD = $(format_test_libs)
tests_unit_format_test_record_SOURCES = tests/unit/format/test_record.c \
	$(unit_headers) tests/unit/hex.h
tests_unit_format_test_record_LDADD = $(format_test_libs)
tests_unit_format_test_scrubstate_SOURCES = tests/unit/format/test_scrubstate.c $(unit_headers)
tests_unit_format_test_scrubstate_LDADD = $(format_test_libs)
tests_unit_format_test_tagpage_SOURCES = tests/unit/format/test_tagpage.c \
	$(unit_headers) tests/unit/hex.h
tests_unit_format_test_tagpage_LDADD = $(format_test_libs)
