# Fault loops: a volume on replicas that are cut off, without a mount.

fault_tests = \
	tests/fault/test_cut \
	tests/fault/test_enroll \
	tests/fault/test_far \
	tests/fault/test_far_cut \
	tests/fault/test_far_power \
	tests/fault/test_full \
	tests/fault/test_lost \
	tests/fault/test_members \
	tests/fault/test_open \
	tests/fault/test_power
check_PROGRAMS += $(fault_tests)
TESTS += $(fault_tests)

fault_rig = tests/fault/rig.c tests/fault/rig.h tests/fault/scenarios.h tests/unit/check_main.h tests/far.c tests/far.h
fault_test_libs = src/volume/libvolume.a src/meta/libmeta.a $(LIBS_LEND) $(CHECK_LIBS)

tests_fault_test_cut_SOURCES = tests/fault/test_cut.c $(fault_rig)
tests_fault_test_cut_LDADD = $(fault_test_libs)
tests_fault_test_enroll_SOURCES = tests/fault/test_enroll.c $(fault_rig)
tests_fault_test_enroll_LDADD = $(fault_test_libs)
tests_fault_test_far_SOURCES = tests/fault/test_far.c $(fault_rig)
tests_fault_test_far_LDADD = $(fault_test_libs)
tests_fault_test_full_SOURCES = tests/fault/test_full.c $(fault_rig)
tests_fault_test_full_LDADD = $(fault_test_libs)
tests_fault_test_lost_SOURCES = tests/fault/test_lost.c $(fault_rig)
tests_fault_test_lost_LDADD = $(fault_test_libs)
tests_fault_test_members_SOURCES = tests/fault/test_members.c tests/fault/power.c tests/fault/power.h $(fault_rig)
tests_fault_test_members_LDADD = $(fault_test_libs)
tests_fault_test_power_SOURCES = tests/fault/test_power.c tests/fault/power.c tests/fault/power.h $(fault_rig)
tests_fault_test_power_LDADD = $(fault_test_libs)
tests_fault_test_open_SOURCES = tests/fault/test_open.c $(fault_rig)
tests_fault_test_open_LDADD = $(fault_test_libs)

# The same with the second replica on another machine, which lags behind when the power goes.
tests_fault_test_far_cut_SOURCES = tests/fault/test_cut.c $(fault_rig)
tests_fault_test_far_cut_CPPFLAGS = $(AM_CPPFLAGS) -DFAULT_FAR=2 -DFAULT_STRIDE=61
tests_fault_test_far_cut_LDADD = $(fault_test_libs)
tests_fault_test_far_power_SOURCES = tests/fault/test_power.c tests/fault/power.c tests/fault/power.h $(fault_rig)
tests_fault_test_far_power_CPPFLAGS = $(AM_CPPFLAGS) -DFAULT_FAR=2 -DFAULT_ACK=1 -DFAULT_SECONDS=4
tests_fault_test_far_power_LDADD = $(fault_test_libs)
