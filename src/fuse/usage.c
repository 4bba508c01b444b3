#include <stdio.h>

#include "fuse/libfuse.h"
#include "fuse/usage.h"

void
usage_help(void)
{
	(void)fputs(
	    "usage: mendfs [-fd] [-o OPT[,OPT...]] REPLICA... MOUNTPOINT\n"
	    "       mendfs [-fd] [-o OPT[,OPT...]] NAME [MOUNTPOINT]     (/etc/mendfs/NAME.conf)\n"
	    "       mount.mendfs REPLICA:REPLICA...|NAME MOUNTPOINT [-sfnv] [-o OPT[,OPT...]]\n"
	    "\n"
	    "Mount the directories REPLICA (1 to 16) as one file system: each write goes to\n"
	    "all of them, each read is proved by checksum, and what fails is mended.\n"
	    "\n"
	    "  -f, --foreground       stay in the foreground, log to standard error\n"
	    "  -d, --debug            the same, and show every request\n"
	    "  -h, --help             this text\n"
	    "  -V, --version          versions of mendfs and of libfuse\n"
	    "  -o OPT, or --OPT       (also as MENDFS_OPT in the environment, or in the file)\n"
	    "     ro                  read only\n"
	    "     degraded            go without replicas that are missing\n"
	    "     adopt               take in the files of the first replica; the others are empty\n"
	    "     codec=xxh3|blake2b  checksum of a new volume (xxh3)\n"
	    "     key-file=PATH       key of a blake2b volume\n"
	    "     read=auto|first|round-robin   which replica serves a read (auto)\n"
	    "     min-replicas=N      read-only below this number in sync (1)\n"
	    "     timeout=SECONDS     a replica that does not answer for so long is dropped (30; 0: never)\n"
	    "     watch=auto|all      which calls are given up then: those that may wait, or all (auto)\n"
	    "     on-event=PROGRAM    called when a replica is lost, a file mended, ...\n"
	    "     log-level=error|warning|info|debug   (info)\n"
	    "     max_threads=N       requests served at a time (32)\n"
	    "     allow_other, allow_root, auto_unmount, fsname=, subtype=,\n"
	    "     [no]dev, [no]suid, [no]exec, [a]sync, dirsync   as in mount.fuse3(8)\n"
	    "\n"
	    "Unmount with umount, or with fusermount3 -u, or by ending the daemon.\n", stdout);
}

void
usage_version(void)
{
	(void)printf("mendfs %s\nlibfuse %s\n", PACKAGE_VERSION, fuse_pkgversion());
}
