# hash: the volume's checksum, plain or keyed.

noinst_LIBRARIES += src/hash/libhash.a
src_hash_libhash_a_SOURCES = \
	src/hash/digest.c src/hash/digest.h
