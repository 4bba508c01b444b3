# Unit tests of src/fuse.

fuse_tests = \
	tests/unit/fuse/test_conffile \
	tests/unit/fuse/test_options \
	tests/unit/fuse/test_settings \
	tests/unit/fuse/test_wire
check_PROGRAMS += $(fuse_tests)
TESTS += $(fuse_tests)

fuse_test_libs = src/fuse/libfront.a $(LIBS_CONTROL) $(CHECK_LIBS)

tests_unit_fuse_test_conffile_SOURCES = tests/unit/fuse/test_conffile.c tests/unit/check_main.h
tests_unit_fuse_test_conffile_LDADD = $(fuse_test_libs)
tests_unit_fuse_test_options_SOURCES = tests/unit/fuse/test_options.c tests/unit/check_main.h
tests_unit_fuse_test_options_LDADD = $(fuse_test_libs)
tests_unit_fuse_test_settings_SOURCES = tests/unit/fuse/test_settings.c tests/unit/check_main.h
tests_unit_fuse_test_settings_LDADD = $(fuse_test_libs)
tests_unit_fuse_test_wire_SOURCES = tests/unit/fuse/test_wire.c tests/unit/check_main.h
tests_unit_fuse_test_wire_LDADD = $(fuse_test_libs)
