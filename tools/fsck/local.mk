# fsck.mendfs
