# The companion programs and the developers' own.

dist_noinst_SCRIPTS += tools/deps tools/test tools/demo \
	tools/dev/check-layers tools/dev/check-headers tools/dev/lint \
	tools/dev/build-matrix
