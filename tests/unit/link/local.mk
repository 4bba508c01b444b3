# Unit tests of src/link.

link_tests = \
	tests/unit/link/test_accept \
	tests/unit/link/test_key \
	tests/unit/link/test_noise \
	tests/unit/link/test_plain \
	tests/unit/link/test_squeeze \
	tests/unit/link/test_ssh \
	tests/unit/link/test_transport
check_PROGRAMS += $(link_tests)
TESTS += $(link_tests)

link_test_headers = $(unit_headers) tests/unit/link/pair.h tests/unit/link/noise_pair.h
link_test_libs = $(LIBS_LINK) $(CHECK_LIBS)

tests_unit_link_test_accept_SOURCES = tests/unit/link/test_accept.c $(link_test_headers)
tests_unit_link_test_accept_LDADD = $(link_test_libs)
tests_unit_link_test_key_SOURCES = tests/unit/link/test_key.c $(link_test_headers)
tests_unit_link_test_key_LDADD = $(link_test_libs)
tests_unit_link_test_noise_SOURCES = tests/unit/link/test_noise.c tests/unit/link/vectors.h tests/unit/hex.h $(link_test_headers)
tests_unit_link_test_noise_LDADD = $(link_test_libs)
tests_unit_link_test_plain_SOURCES = tests/unit/link/test_plain.c $(link_test_headers)
tests_unit_link_test_plain_LDADD = $(link_test_libs)
tests_unit_link_test_squeeze_SOURCES = tests/unit/link/test_squeeze.c $(link_test_headers)
tests_unit_link_test_squeeze_LDADD = $(link_test_libs)
tests_unit_link_test_ssh_SOURCES = tests/unit/link/test_ssh.c $(link_test_headers)
tests_unit_link_test_ssh_LDADD = $(link_test_libs)
tests_unit_link_test_transport_SOURCES = tests/unit/link/test_transport.c $(link_test_headers)
tests_unit_link_test_transport_LDADD = $(link_test_libs)
