# Unit tests of src/volume.
