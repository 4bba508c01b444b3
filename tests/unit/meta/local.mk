# Unit tests of src/meta.
