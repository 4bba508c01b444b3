# Unit tests of src/meta.

meta_tests = \
	tests/unit/meta/test_fitness \
	tests/unit/meta/test_intent \
	tests/unit/meta/test_judge \
	tests/unit/meta/test_label \
	tests/unit/meta/test_meta \
	tests/unit/meta/test_pending \
	tests/unit/meta/test_quarantine
check_PROGRAMS += $(meta_tests)
TESTS += $(meta_tests)

meta_test_libs = $(LIBS_META) $(CHECK_LIBS)

tests_unit_meta_test_fitness_SOURCES = tests/unit/meta/test_fitness.c $(replica_test_headers)
tests_unit_meta_test_fitness_LDADD = $(meta_test_libs)
tests_unit_meta_test_intent_SOURCES = tests/unit/meta/test_intent.c \
	tests/unit/random.h $(replica_test_headers)
tests_unit_meta_test_intent_LDADD = $(meta_test_libs)
tests_unit_meta_test_label_SOURCES = tests/unit/meta/test_label.c $(replica_test_headers)
tests_unit_meta_test_label_LDADD = $(meta_test_libs)
tests_unit_meta_test_meta_SOURCES = tests/unit/meta/test_meta.c $(replica_test_headers)
tests_unit_meta_test_meta_LDADD = $(meta_test_libs)
tests_unit_meta_test_pending_SOURCES = tests/unit/meta/test_pending.c $(replica_test_headers)
tests_unit_meta_test_pending_LDADD = $(meta_test_libs)
tests_unit_meta_test_quarantine_SOURCES = tests/unit/meta/test_quarantine.c $(replica_test_headers)
tests_unit_meta_test_quarantine_LDADD = $(meta_test_libs)
tests_unit_meta_test_judge_SOURCES = tests/unit/meta/test_judge.c tests/unit/check_main.h
tests_unit_meta_test_judge_LDADD = $(meta_test_libs)
