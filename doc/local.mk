# Documents and man pages.

dist_noinst_DATA += doc/TESTING.md doc/GLOSSARY.md
