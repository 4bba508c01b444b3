# Unit tests of src/link.

link_tests = \
	tests/unit/link/test_noise \
	tests/unit/link/test_plain
check_PROGRAMS += $(link_tests)
TESTS += $(link_tests)

link_test_headers = $(unit_headers) tests/unit/link/pair.h
link_test_libs = $(LIBS_LINK) $(CHECK_LIBS)

tests_unit_link_test_noise_SOURCES = tests/unit/link/test_noise.c tests/unit/link/vectors.h \
	tests/unit/hex.h $(unit_headers)
tests_unit_link_test_noise_LDADD = $(link_test_libs)
tests_unit_link_test_plain_SOURCES = tests/unit/link/test_plain.c $(link_test_headers)
tests_unit_link_test_plain_LDADD = $(link_test_libs)
