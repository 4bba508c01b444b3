# src/fuse
