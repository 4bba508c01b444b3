# Unit tests of src/fuse.
