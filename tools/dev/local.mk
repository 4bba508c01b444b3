# make bench: ratios to bindfs and to the least that mirroring can cost, and of
# a scrub to cat, what faults cost, and of a link to a pipe.  BENCH_FLAGS,
# BENCH_SCRUB_FLAGS, BENCH_FAULTS_FLAGS, BENCH_LINK_FLAGS: see tools/dev/bench,
# bench-scrub, bench-faults, bench-link.c.
EXTRA_PROGRAMS += tools/dev/workload tools/dev/bench-link
tools_dev_bench_link_SOURCES = tools/dev/bench-link.c
tools_dev_bench_link_LDADD = $(LIBS_LINK)
tools_dev_workload_SOURCES = tools/dev/workload.c
dist_noinst_SCRIPTS += tools/dev/bench tools/dev/bench-scrub tools/dev/bench-faults tools/dev/calls

bench: mendfs$(EXEEXT) mendctl$(EXEEXT) tools/dev/workload$(EXEEXT) tools/dev/bench-link$(EXEEXT) tests/integration/powerdisk$(EXEEXT)
	BUILD='$(abs_top_builddir)' CC='$(CC)' $(top_srcdir)/tools/dev/bench $(BENCH_FLAGS)
	BUILD='$(abs_top_builddir)' $(top_srcdir)/tools/dev/bench-scrub $(BENCH_SCRUB_FLAGS)
	BUILD='$(abs_top_builddir)' $(top_srcdir)/tools/dev/bench-faults $(BENCH_FAULTS_FLAGS)
	tools/dev/bench-link$(EXEEXT) $(BENCH_LINK_FLAGS)
.PHONY: bench
