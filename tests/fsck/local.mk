# Damaged volumes for fsck.mendfs.
