# Fuzz harnesses.  Run on their corpus they are ordinary tests; configured with
# --enable-fuzzing they are libFuzzer's, and `make fuzzers' builds them.

fuzz_harnesses = \
	tests/fuzz/fuzz_accept \
	tests/fuzz/fuzz_control \
	tests/fuzz/fuzz_frames \
	tests/fuzz/fuzz_index \
	tests/fuzz/fuzz_intent \
	tests/fuzz/fuzz_label \
	tests/fuzz/fuzz_pending \
	tests/fuzz/fuzz_record \
	tests/fuzz/fuzz_reply \
	tests/fuzz/fuzz_request \
	tests/fuzz/fuzz_scrubstate \
	tests/fuzz/fuzz_session \
	tests/fuzz/fuzz_tagpage
check_PROGRAMS += $(fuzz_harnesses) tests/fuzz/make_corpus

if FUZZING
fuzz_main = tests/fuzz/fuzz.h
else
fuzz_main = tests/fuzz/fuzz.h tests/fuzz/driver.c
TESTS += $(fuzz_harnesses)
endif
fuzz_ldflags = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)

tests_fuzz_fuzz_accept_SOURCES = tests/fuzz/fuzz_accept.c tests/fuzz/fuzz_link.h $(fuzz_main)
tests_fuzz_fuzz_accept_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_accept_LDADD = $(LIBS_LINK)
tests_fuzz_fuzz_control_SOURCES = tests/fuzz/fuzz_control.c $(fuzz_main)
tests_fuzz_fuzz_control_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_control_LDADD = $(LIBS_CONTROL)
tests_fuzz_fuzz_frames_SOURCES = tests/fuzz/fuzz_frames.c tests/fuzz/fuzz_link.h $(fuzz_main)
tests_fuzz_fuzz_frames_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_frames_LDADD = $(LIBS_LINK)
tests_fuzz_fuzz_index_SOURCES = tests/fuzz/fuzz_index.c $(fuzz_main)
tests_fuzz_fuzz_index_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_index_LDADD = $(LIBS_FORMAT)
tests_fuzz_fuzz_intent_SOURCES = tests/fuzz/fuzz_intent.c $(fuzz_main)
tests_fuzz_fuzz_intent_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_intent_LDADD = $(LIBS_FORMAT)
tests_fuzz_fuzz_label_SOURCES = tests/fuzz/fuzz_label.c $(fuzz_main)
tests_fuzz_fuzz_label_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_label_LDADD = $(LIBS_FORMAT)
tests_fuzz_fuzz_pending_SOURCES = tests/fuzz/fuzz_pending.c $(fuzz_main)
tests_fuzz_fuzz_pending_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_pending_LDADD = $(LIBS_FORMAT)
tests_fuzz_fuzz_record_SOURCES = tests/fuzz/fuzz_record.c $(fuzz_main)
tests_fuzz_fuzz_record_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_record_LDADD = $(LIBS_FORMAT)
tests_fuzz_fuzz_reply_SOURCES = tests/fuzz/fuzz_reply.c $(fuzz_main)
tests_fuzz_fuzz_reply_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_reply_LDADD = $(LIBS_PROTO)
tests_fuzz_fuzz_request_SOURCES = tests/fuzz/fuzz_request.c $(fuzz_main)
tests_fuzz_fuzz_request_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_request_LDADD = $(LIBS_PROTO)
tests_fuzz_fuzz_scrubstate_SOURCES = tests/fuzz/fuzz_scrubstate.c $(fuzz_main)
tests_fuzz_fuzz_scrubstate_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_scrubstate_LDADD = $(LIBS_FORMAT)
tests_fuzz_fuzz_session_SOURCES = tests/fuzz/fuzz_session.c $(fuzz_main)
tests_fuzz_fuzz_session_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_session_LDADD = $(LIBS_LEND)
tests_fuzz_fuzz_tagpage_SOURCES = tests/fuzz/fuzz_tagpage.c $(fuzz_main)
tests_fuzz_fuzz_tagpage_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_tagpage_LDADD = $(LIBS_FORMAT)

tests_fuzz_make_corpus_SOURCES = tests/fuzz/make_corpus.c tests/fuzz/fuzz.h tests/fuzz/fuzz_link.h
tests_fuzz_make_corpus_LDADD = $(LIBS_PROTO)

EXTRA_DIST += tests/fuzz/corpus tests/fuzz/driver.c
