# Unit tests of src/format.
