# Unit tests of src/replica.
