# The oracle.
