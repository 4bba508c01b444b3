# make bench: ratios to bindfs and to the least that mirroring can cost, and of
# a scrub to cat.  BENCH_FLAGS, BENCH_SCRUB_FLAGS: see tools/dev/bench, bench-scrub.
EXTRA_PROGRAMS += tools/dev/workload
tools_dev_workload_SOURCES = tools/dev/workload.c
dist_noinst_SCRIPTS += tools/dev/bench tools/dev/bench-scrub tools/dev/calls

bench: mendfs$(EXEEXT) mendctl$(EXEEXT) tools/dev/workload$(EXEEXT)
	BUILD='$(abs_top_builddir)' CC='$(CC)' $(top_srcdir)/tools/dev/bench $(BENCH_FLAGS)
	BUILD='$(abs_top_builddir)' $(top_srcdir)/tools/dev/bench-scrub $(BENCH_SCRUB_FLAGS)
.PHONY: bench
