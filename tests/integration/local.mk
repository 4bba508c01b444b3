# Real mounts.
