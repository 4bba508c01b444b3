# Unit tests of src/check.

check_tests = \
	tests/unit/check/test_choose \
	tests/unit/check/test_pool
check_PROGRAMS += $(check_tests)
TESTS += $(check_tests)

check_test_libs = src/check/libfsck.a $(LIBS_META) $(JANSSON_LIBS) $(CHECK_LIBS)

tests_unit_check_test_choose_SOURCES = tests/unit/check/test_choose.c tests/unit/check_main.h
tests_unit_check_test_choose_LDADD = $(check_test_libs)
tests_unit_check_test_pool_SOURCES = tests/unit/check/test_pool.c tests/unit/check_main.h
tests_unit_check_test_pool_LDADD = $(check_test_libs)
