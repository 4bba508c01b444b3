# Documents and man pages.
