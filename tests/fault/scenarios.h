/*
 * What is done while a volume is cut off: every operation that changes
 * something, on what was there before and on what was just made.
 */

#ifndef TESTS_FAULT_SCENARIOS_H
#define TESTS_FAULT_SCENARIOS_H

#include "rig.h"

/* ${before} is done, and the volume cleanly unmounted; then come the ${steps}.  ${root}: they need privilege. */
struct scenario { const char *name, *before, *steps; bool root; };

static const struct scenario scenarios[] = {
	{ "create", "mkdir d", "create a; create d/b; mknod d/c; store; create c", false },
	{ "create-open", "mkdir d", "create+ d/a; append @d/a 5000 x; create+ b; append @b 100 y; store; close d/a; close b", false },
	{ "fresh-directory", "", "mkdir d; create+ d/a; append @d/a 100 x; mkdir d/e; create+ d/e/b; append @d/e/b 9000 y; store", false },
	{ "write", "create a; write a 0 20000 p", "write a 0 100 x; write a 5000 10000 y; append a 3000 z; store; write a 8192 4096 q", false },
	{ "write-open", "create a; write a 0 20000 p",
	    "open a; write a 4096 4096 x; write a 100 8000 y; append a 5000 z; append a 5000 w; fsync a; write a 0 1 v; close a", false },
	{ "write-large", "create a; write a 0 3000000 p", "open a; write a 1000000 300000 x; append a 200000 y; store; write a 5 5 z; fsync a; close a", false },
	{ "grow", "create a; write a 0 400000 p", "open a; append a 100000 x; append a 200000 y; store; append a 10 z; close a", false },
	{ "shrink", "create a; write a 0 3000000 p", "truncate a 1500001; truncate a 70000; truncate a 0; write a 0 5000 x", false },
	{ "truncate", "create a; write a 0 20000 p", "truncate a 10000; truncate a 30000; store; truncate a 5; append a 10 x", false },
	{ "truncate-open", "create a; write a 0 20000 p", "open a; truncate @a 10000; append @a 10 x; truncate @a 30000; append @a 4096 y; close a", false },
	{ "allocate", "create a; write a 0 50000 p", "punch a 5000 20000; allocate a 40000 40000; zero a 30000 15000; store; punch a 0 80000", false },
	{ "allocate-open", "create a; write a 0 700000 p", "open a; punch a 5000 600000; append a 5 x; allocate a 0 900000; close a", false },
	{ "rename", "mkdir d; mkdir e; create a; write a 0 9000 p", "rename a b; rename b d/b; store; rename d/b e/c; rename e/c a", false },
	{ "rename-over", "mkdir d; create a; write a 0 9000 p; create d/b; write d/b 0 5000 q; create c; write c 0 10 r",
	    "rename a c; rename c d/b; create a; rename d/b a", false },
	{ "rename-fresh", "mkdir d", "create+ a; append @a 100 x; rename a b; rename b d/a; mkdir e; rename e d/e; rename d f", false },
	{ "rename-large", "mkdir d; create a; write a 0 2000000 p; create b; write b 0 10 q", "rename a d/a; rename d/a b", false },
	{ "rename-directory", "mkdir d; mkdir d/e; create d/e/a; write d/e/a 0 5000 p; create d/b; mkdir f; mkdir g",
	    "rename d h; rename h f/d; rename f/d/e g; store; rename g f/d/x; rename f/d d", false },
	{ "rename-special", "mkdir d; symlink s target; mkfifo p; symlink t other; create a",
	    "rename s d/s; rename d/s t; rename p d/p; rename t a; symlink u target; rename u v", false },
	{ "rename-linked", "mkdir d; create a; write a 0 100 p; link a b; create c", "rename a d/a; rename d/a c; rename b d/b", false },
	{ "exchange", "mkdir d; create a; write a 0 5000 p; create d/b; write d/b 0 100 q; symlink s target; mkdir e; create e/x",
	    "exchange a d/b; exchange a s; exchange d e; exchange s e", false },
	{ "link", "mkdir d; create a; write a 0 100 p; symlink s t", "link a b; link a d/c; unlink a; write b 0 5000 x; link s d/s; unlink d/c", false },
	{ "link-fresh", "mkdir d", "create+ a; append @a 100 x; link a d/b; unlink a; append @a 100 y; close a", false },
	{ "link-tree", "create x; write x 0 3000 p",
	    "mkdir d; create d/a; append d/a 6000 x; link d/a d/b; mkdir e; link d/a e/c; link x d/x; mkdir d/f; link x d/f/x; rename d g; unlink g/a", false },
	{ "unlink", "mkdir d; create a; write a 0 100 p; create d/b; write d/b 0 2000000 q; symlink s t; mkfifo p",
	    "unlink a; unlink d/b; unlink s; unlink p; rmdir d", false },
	{ "unlink-open", "mkdir d; create a; write a 0 100 p; create d/b; write d/b 0 2000000 q",
	    "open a; open d/b; unlink a; append @a 100 x; fsync @a; unlink d/b; append @d/b 5000 y; close a; close d/b; create a", false },
	{ "again", "create a; write a 0 100 p; mkdir d; create d/x", "unlink a; create a; append a 50 x; unlink a; mkdir a; unlink d/x; rmdir d; create d", false },
	{ "directories", "mkdir d; create d/a", "mkdir e; mkdir e/f; create e/f/g; unlink e/f/g; rmdir e/f; store; unlink d/a; rmdir d; rename e d", false },
	{ "modes", "mkdir d; create a; write a 0 5000 p; symlink s t", "chmod a 0600; chmod d 0700; utimens a 1000; utimens d 2000; store; chmod a 04755; utimens s 3000", false },
	{ "owners", "mkdir d; create a; write a 0 5000 p; symlink s t", "chown a 5 6; chown d 7 8; chown s 9 10; store; chmod a 06755; chown a 1 1", true },
	{ "xattrs", "mkdir d; create a; write a 0 5000 p", "setxattr a user.x one; setxattr a user.x two; setxattr d user.y three; store; rmxattr a user.x; setxattr a user.z 4", false },
	{ "no-room", "create a; write a 0 300000 p", "bigxattr a user.x q; write a 0 5000 x; store; bigxattr a user.y r; append a 5000 y", false },
	{ "fsync-later", "mkdir d; create a; write a 0 5000 p; create b; write b 0 3000000 q; create c; write c 0 1300000 r",
	    "write a 0 100 x; chmod a 0600; idle; fsync a; write b 5000 9000 y; idle; fsync b; write b 2000000 9 z; truncate c 1100000; idle; fsync c; "
	    "utimens a 1000; create d/e; append d/e 2000000 x; idle; fsync d/e; append d/e 5 y; chmod a 0640", false },
	{ "fsync", "mkdir d; create a; write a 0 5000 p", "open a; write a 0 5000 x; fsync a; create d/b; fsync d/b; fsync d; fsync /; sync; rename a d/a; fsync d; close a", false },
};

#define SCENARIOS ((int)(sizeof(scenarios) / sizeof(scenarios[0])))

#endif
