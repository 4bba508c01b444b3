# Unit tests of src/util.

util_tests = \
	tests/unit/util/test_aside \
	tests/unit/util/test_buf \
	tests/unit/util/test_clock \
	tests/unit/util/test_hashmap \
	tests/unit/util/test_io \
	tests/unit/util/test_lane \
	tests/unit/util/test_list \
	tests/unit/util/test_log \
	tests/unit/util/test_text \
	tests/unit/util/test_processors \
	tests/unit/util/test_roll \
	tests/unit/util/test_uuid
check_PROGRAMS += $(util_tests)
TESTS += $(util_tests)

unit_headers = tests/unit/check_main.h tests/unit/random.h
util_test_libs = $(LIBS_UTIL) $(SODIUM_LIBS) $(CHECK_LIBS)

tests_unit_util_test_aside_SOURCES = tests/unit/util/test_aside.c $(unit_headers)
tests_unit_util_test_aside_LDADD = $(util_test_libs)
tests_unit_util_test_buf_SOURCES = tests/unit/util/test_buf.c $(unit_headers)
tests_unit_util_test_buf_LDADD = $(util_test_libs)
tests_unit_util_test_clock_SOURCES = tests/unit/util/test_clock.c $(unit_headers)
tests_unit_util_test_clock_LDADD = $(util_test_libs)
tests_unit_util_test_hashmap_SOURCES = tests/unit/util/test_hashmap.c $(unit_headers)
tests_unit_util_test_hashmap_LDADD = $(util_test_libs)
tests_unit_util_test_io_SOURCES = tests/unit/util/test_io.c $(unit_headers)
tests_unit_util_test_io_LDADD = $(util_test_libs)
tests_unit_util_test_lane_SOURCES = tests/unit/util/test_lane.c $(unit_headers)
tests_unit_util_test_lane_LDADD = $(util_test_libs)
tests_unit_util_test_list_SOURCES = tests/unit/util/test_list.c $(unit_headers)
tests_unit_util_test_list_LDADD = $(util_test_libs)
tests_unit_util_test_log_SOURCES = tests/unit/util/test_log.c $(unit_headers)
tests_unit_util_test_log_LDADD = $(util_test_libs)
tests_unit_util_test_text_SOURCES = tests/unit/util/test_text.c $(unit_headers)
tests_unit_util_test_text_LDADD = $(util_test_libs)
tests_unit_util_test_processors_SOURCES = tests/unit/util/test_processors.c $(unit_headers)
tests_unit_util_test_processors_LDADD = $(util_test_libs)
tests_unit_util_test_roll_SOURCES = tests/unit/util/test_roll.c $(unit_headers)
tests_unit_util_test_roll_LDADD = $(util_test_libs)
tests_unit_util_test_uuid_SOURCES = tests/unit/util/test_uuid.c $(unit_headers)
tests_unit_util_test_uuid_LDADD = $(util_test_libs)
