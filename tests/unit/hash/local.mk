# Unit tests of src/hash.

check_PROGRAMS += tests/unit/hash/test_digest
TESTS += tests/unit/hash/test_digest
tests_unit_hash_test_digest_SOURCES = tests/unit/hash/test_digest.c \
	$(unit_headers) tests/unit/hex.h
tests_unit_hash_test_digest_LDADD = $(LIBS_HASH) $(CHECK_LIBS)
