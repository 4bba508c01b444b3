# Unit tests of src/hash.
