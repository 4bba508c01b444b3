# Unit tests of src/replica.

replica_tests = \
	tests/unit/replica/test_dir \
	tests/unit/replica/test_dir_calls \
	tests/unit/replica/test_dir_files \
	tests/unit/replica/test_dir_inodes \
	tests/unit/replica/test_dir_names \
	tests/unit/replica/test_dir_owner \
	tests/unit/replica/test_fault \
	tests/unit/replica/test_guard \
	tests/unit/replica/test_peer \
	tests/unit/replica/test_peer_files \
	tests/unit/replica/test_peer_inodes \
	tests/unit/replica/test_peer_names \
	tests/unit/replica/test_replica \
	tests/unit/replica/test_url
check_PROGRAMS += $(replica_tests)
TESTS += $(replica_tests)

replica_test_headers = tests/unit/check_main.h tests/unit/replica/scratch.h
replica_test_libs = $(LIBS_REPLICA) $(CHECK_LIBS)

tests_unit_replica_test_dir_SOURCES = tests/unit/replica/test_dir.c $(replica_test_headers)
tests_unit_replica_test_dir_LDADD = $(replica_test_libs)
tests_unit_replica_test_dir_calls_SOURCES = tests/unit/replica/test_dir_calls.c $(replica_test_headers)
tests_unit_replica_test_dir_calls_LDADD = $(replica_test_libs)
tests_unit_replica_test_dir_files_SOURCES = tests/unit/replica/test_dir_files.c $(replica_test_headers)
tests_unit_replica_test_dir_files_LDADD = $(replica_test_libs)
tests_unit_replica_test_dir_inodes_SOURCES = tests/unit/replica/test_dir_inodes.c $(replica_test_headers)
tests_unit_replica_test_dir_inodes_LDADD = $(replica_test_libs)
tests_unit_replica_test_dir_names_SOURCES = tests/unit/replica/test_dir_names.c $(replica_test_headers)
tests_unit_replica_test_dir_names_LDADD = $(replica_test_libs)
tests_unit_replica_test_dir_owner_SOURCES = tests/unit/replica/test_dir_owner.c $(replica_test_headers)
tests_unit_replica_test_dir_owner_LDADD = $(replica_test_libs)
tests_unit_replica_test_fault_SOURCES = tests/unit/replica/test_fault.c $(replica_test_headers)
tests_unit_replica_test_fault_LDADD = $(replica_test_libs)
tests_unit_replica_test_guard_SOURCES = tests/unit/replica/test_guard.c $(replica_test_headers)
tests_unit_replica_test_guard_LDADD = $(replica_test_libs)
tests_unit_replica_test_replica_SOURCES = tests/unit/replica/test_replica.c tests/unit/check_main.h
tests_unit_replica_test_replica_LDADD = $(LIBS_REPLICA) $(CHECK_LIBS)

# What a directory does it does far away, too.
far_test_sources = tests/far.c tests/far.h $(replica_test_headers)
far_test_libs = $(LIBS_LEND) $(CHECK_LIBS)
tests_unit_replica_test_peer_SOURCES = tests/unit/replica/test_peer.c $(far_test_sources)
tests_unit_replica_test_peer_LDADD = $(far_test_libs)
tests_unit_replica_test_peer_files_SOURCES = tests/unit/replica/test_dir_files.c $(far_test_sources)
tests_unit_replica_test_peer_files_CPPFLAGS = $(AM_CPPFLAGS) -DSCRATCH_FAR
tests_unit_replica_test_peer_files_LDADD = $(far_test_libs)
tests_unit_replica_test_peer_inodes_SOURCES = tests/unit/replica/test_dir_inodes.c $(far_test_sources)
tests_unit_replica_test_peer_inodes_CPPFLAGS = $(AM_CPPFLAGS) -DSCRATCH_FAR
tests_unit_replica_test_peer_inodes_LDADD = $(far_test_libs)
tests_unit_replica_test_peer_names_SOURCES = tests/unit/replica/test_dir_names.c $(far_test_sources)
tests_unit_replica_test_peer_names_CPPFLAGS = $(AM_CPPFLAGS) -DSCRATCH_FAR
tests_unit_replica_test_peer_names_LDADD = $(far_test_libs)
tests_unit_replica_test_url_SOURCES = tests/unit/replica/test_url.c tests/unit/check_main.h
tests_unit_replica_test_url_LDADD = $(LIBS_REPLICA) $(CHECK_LIBS)
