# Fault loops.
