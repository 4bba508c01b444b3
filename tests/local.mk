# make check: unit tests, the fuzz harnesses on their corpus, the rules of the
# tree, and real mounts where this machine and user may mount.  Everything
# else, as root, is tools/test.

# Tests without an extension speak TAP, each point a line of its own; *.sh
# tell by exit status (77: skipped).
TEST_EXTENSIONS = .sh
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh

AM_TESTS_ENVIRONMENT = \
	BUILD='$(abs_top_builddir)'; export BUILD; \
	SOURCE='$(abs_top_srcdir)'; export SOURCE; \
	CC='$(CC)'; export CC; \
	TEST_CPPFLAGS='$(AM_CPPFLAGS)'; export TEST_CPPFLAGS; \
	CK_TAP_LOG_FILE_NAME=-; export CK_TAP_LOG_FILE_NAME; \
	CK_DEFAULT_TIMEOUT=$${CK_DEFAULT_TIMEOUT:-60}; export CK_DEFAULT_TIMEOUT;

if HAVE_CHECK
include tests/unit/util/local.mk
include tests/unit/hash/local.mk
include tests/unit/format/local.mk
include tests/unit/link/local.mk
include tests/unit/proto/local.mk
include tests/unit/replica/local.mk
include tests/unit/lend/local.mk
include tests/unit/meta/local.mk
include tests/unit/volume/local.mk
include tests/unit/check/local.mk
include tests/unit/control/local.mk
include tests/unit/fuse/local.mk
include tests/unit/mendd/local.mk
include tests/fault/local.mk
endif
include tests/fuzz/local.mk
include tests/fsck/local.mk
include tests/kills/local.mk
include tests/model/local.mk
include tests/posix/local.mk
include tests/integration/local.mk

TESTS += tests/smoke
dist_noinst_SCRIPTS += tests/smoke
TESTS += tools/dev/check-layers tools/dev/check-headers

# The harnesses of tests/fuzz alone; with --enable-fuzzing they are libFuzzer's.
fuzzers: $(filter tests/fuzz/fuzz_%,$(check_PROGRAMS))
.PHONY: fuzzers
