# Unit tests of src/proto.

proto_tests = \
	tests/unit/proto/test_errors \
	tests/unit/proto/test_message
check_PROGRAMS += $(proto_tests)
TESTS += $(proto_tests)

proto_test_libs = $(LIBS_PROTO) $(CHECK_LIBS)

tests_unit_proto_test_errors_SOURCES = tests/unit/proto/test_errors.c $(unit_headers)
tests_unit_proto_test_errors_LDADD = $(proto_test_libs)
tests_unit_proto_test_message_SOURCES = tests/unit/proto/test_message.c tests/unit/proto/messages.h \
	$(unit_headers) tests/unit/hex.h tests/unit/random.h
tests_unit_proto_test_message_LDADD = $(proto_test_libs)
