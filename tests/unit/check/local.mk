# Unit tests of src/check.
