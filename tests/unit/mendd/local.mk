# Unit tests of tools/mendd.

mendd_tests = \
	tests/unit/mendd/test_conf \
	tests/unit/mendd/test_confine \
	tests/unit/mendd/test_strangers
check_PROGRAMS += $(mendd_tests)
TESTS += $(mendd_tests)

mendd_test_libs = tools/mendd/libmendd.a $(LIBS_LEND) $(CHECK_LIBS)

tests_unit_mendd_test_conf_SOURCES = tests/unit/mendd/test_conf.c $(unit_headers)
tests_unit_mendd_test_conf_LDADD = $(mendd_test_libs)
tests_unit_mendd_test_confine_SOURCES = tests/unit/mendd/test_confine.c $(unit_headers)
tests_unit_mendd_test_confine_LDADD = $(mendd_test_libs)
tests_unit_mendd_test_strangers_SOURCES = tests/unit/mendd/test_strangers.c $(unit_headers)
tests_unit_mendd_test_strangers_LDADD = $(mendd_test_libs)
