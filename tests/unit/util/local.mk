# Unit tests of src/util.
