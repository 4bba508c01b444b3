# Unit tests of src/control.

control_tests = \
	tests/unit/control/test_metrics \
	tests/unit/control/test_onevent \
	tests/unit/control/test_place
check_PROGRAMS += $(control_tests)
TESTS += $(control_tests)

control_test_libs = $(LIBS_CONTROL) $(CHECK_LIBS)

tests_unit_control_test_metrics_SOURCES = tests/unit/control/test_metrics.c $(unit_headers)
tests_unit_control_test_metrics_LDADD = $(control_test_libs)
tests_unit_control_test_onevent_SOURCES = tests/unit/control/test_onevent.c $(unit_headers)
tests_unit_control_test_onevent_LDADD = $(control_test_libs)
tests_unit_control_test_place_SOURCES = tests/unit/control/test_place.c $(unit_headers)
tests_unit_control_test_place_LDADD = $(control_test_libs)
