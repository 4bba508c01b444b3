# make bench: ratios to bindfs and to the least that mirroring can cost.
# BENCH_FLAGS: see tools/dev/bench.
EXTRA_PROGRAMS += tools/dev/workload
tools_dev_workload_SOURCES = tools/dev/workload.c
dist_noinst_SCRIPTS += tools/dev/bench tools/dev/calls

bench: mendfs$(EXEEXT) tools/dev/workload$(EXEEXT)
	BUILD='$(abs_top_builddir)' CC='$(CC)' $(top_srcdir)/tools/dev/bench $(BENCH_FLAGS)
.PHONY: bench
