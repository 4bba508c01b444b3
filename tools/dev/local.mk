# make bench: ratios to bindfs and to the least that mirroring can cost, and of
# a scrub to cat, and what faults cost.  BENCH_FLAGS, BENCH_SCRUB_FLAGS,
# BENCH_FAULTS_FLAGS: see tools/dev/bench, bench-scrub, bench-faults.
EXTRA_PROGRAMS += tools/dev/workload
tools_dev_workload_SOURCES = tools/dev/workload.c
dist_noinst_SCRIPTS += tools/dev/bench tools/dev/bench-scrub tools/dev/bench-faults tools/dev/calls

bench: mendfs$(EXEEXT) mendctl$(EXEEXT) tools/dev/workload$(EXEEXT) tests/integration/powerdisk$(EXEEXT)
	BUILD='$(abs_top_builddir)' CC='$(CC)' $(top_srcdir)/tools/dev/bench $(BENCH_FLAGS)
	BUILD='$(abs_top_builddir)' $(top_srcdir)/tools/dev/bench-scrub $(BENCH_SCRUB_FLAGS)
	BUILD='$(abs_top_builddir)' $(top_srcdir)/tools/dev/bench-faults $(BENCH_FAULTS_FLAGS)
.PHONY: bench
