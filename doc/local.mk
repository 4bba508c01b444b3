# Documents and man pages.

dist_man5_MANS += doc/man/mendfs.conf.5
dist_man8_MANS += doc/man/mendfs.8 doc/man/fsck.mendfs.8 doc/man/mendctl.8 doc/man/mendd.8
dist_noinst_DATA += doc/DESIGN.md doc/FORMAT.md doc/PROTOCOL.md doc/TESTING.md doc/GLOSSARY.md doc/OPERATIONS.md
