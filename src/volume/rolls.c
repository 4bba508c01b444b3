#include "volume/rolls.h"

#include "util/roll.h"
#include "volume/dir.h"
#include "volume/members.h"

/* So often in vain: then a program makes files here, or looks for what is elsewhere. */
#define VAIN_MAX 16

bool
rolls_absent(struct volume *v, struct node *dir, const char *name)
{
	struct directory *d = dir->directory;
	bool absent;

	pthread_mutex_lock(&v->absent_lock);
	absent = d->roll != NULL && !roll_may_have(d->roll, name);
	pthread_mutex_unlock(&v->absent_lock);
	return absent;
}

/* A roll in place of the one that is there. */
static void
install(struct volume *v, struct node *dir, struct roll *roll)
{
	struct roll *old;

	pthread_mutex_lock(&v->absent_lock);
	old = dir->directory->roll;
	dir->directory->roll = roll;
	pthread_mutex_unlock(&v->absent_lock);
	roll_free(old);
}

static int
add_call(void *arg, const char *name)
{
	return roll_add(arg, name);
}

bool
rolls_known(struct volume *v, struct node *dir)
{
	bool known;

	pthread_mutex_lock(&v->absent_lock);
	known = dir->directory->roll != NULL;
	pthread_mutex_unlock(&v->absent_lock);
	return known;
}

/* Where the others are far away it costs more to ask them than to remember. */
static size_t
roll_max(const struct volume *v)
{
	return members_near(v) < members_in_sync(v) ? ROLL_FAR_MAX : ROLL_MAX;
}

static void
learn(struct volume *v, struct node *dir)
{
	struct roll *roll;

	if ((roll = roll_new(roll_max(v))) == NULL)
		return;
	if (dir_names_proved(v, dir, roll_max(v), add_call, roll) == 0)
		install(v, dir, roll);
	else
		roll_free(roll);
}

void
rolls_learn(struct volume *v, struct node *dir)
{
	struct directory *d = dir->directory;
	bool due;

	pthread_mutex_lock(&v->absent_lock);
	if ((due = d->roll == NULL && d->vain < VAIN_MAX))
		d->vain = VAIN_MAX;
	pthread_mutex_unlock(&v->absent_lock);
	if (due)
		learn(v, dir);
}

void
rolls_vain(struct volume *v, struct node *dir)
{
	struct directory *d = dir->directory;
	bool due;

	pthread_mutex_lock(&v->absent_lock);
	due = d->roll == NULL && d->vain < VAIN_MAX && ++d->vain == VAIN_MAX;
	pthread_mutex_unlock(&v->absent_lock);
	if (due)
		learn(v, dir);
}

void
rolls_begin(struct volume *v, struct node *dir)
{
	install(v, dir, roll_new(roll_max(v)));
}

void
rolls_changed(struct volume *v, struct node *dir, const char *name, bool came)
{
	struct directory *d = dir->directory;
	struct roll *useless = NULL;

	pthread_mutex_lock(&v->absent_lock);
	if (d->roll != NULL && (came ? roll_add(d->roll, name) != 0 : !roll_remove(d->roll, name))) {
		useless = d->roll;
		d->roll = NULL;
	}
	pthread_mutex_unlock(&v->absent_lock);
	roll_free(useless);
}

void
rolls_forget(struct volume *v, struct node *dir)
{
	install(v, dir, NULL);
}
