# Unit tests of src/lend.

lend_tests = \
	tests/unit/lend/test_digest \
	tests/unit/lend/test_quota \
	tests/unit/lend/test_session
check_PROGRAMS += $(lend_tests)
TESTS += $(lend_tests)

lend_test_headers = tests/unit/lend/rig.h tests/unit/replica/scratch.h $(unit_headers)
lend_test_libs = $(LIBS_LEND) $(CHECK_LIBS)

tests_unit_lend_test_digest_SOURCES = tests/unit/lend/test_digest.c $(lend_test_headers)
tests_unit_lend_test_digest_LDADD = $(lend_test_libs)
tests_unit_lend_test_quota_SOURCES = tests/unit/lend/test_quota.c $(lend_test_headers)
tests_unit_lend_test_quota_LDADD = $(lend_test_libs)
tests_unit_lend_test_session_SOURCES = tests/unit/lend/test_session.c tests/unit/proto/messages.h \
	$(lend_test_headers) tests/unit/random.h
tests_unit_lend_test_session_LDADD = $(lend_test_libs)
