#include "link/key.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/io.h"
#include "util/private.h"

static const char secret_prefix[] = "mendfs-secret-key ", public_prefix[] = "mendfs-key:";

#define BASE64_SIZE sodium_base64_ENCODED_LEN(LINK_KEY_SIZE, sodium_base64_VARIANT_ORIGINAL)	/* with the NUL */
#define SECRET_TEXT_SIZE (sizeof(secret_prefix) - 1 + BASE64_SIZE)
_Static_assert(sizeof(public_prefix) - 1 + BASE64_SIZE == KEY_TEXT_SIZE, "a public key's text fits");

void
key_pair_from(struct key_pair *pair, const uint8_t secret[LINK_KEY_SIZE])
{
	memcpy(pair->secret, secret, LINK_KEY_SIZE);
	crypto_scalarmult_base(pair->public, pair->secret);
}

void
key_pair_new(struct key_pair *pair)
{
	randombytes_buf(pair->secret, LINK_KEY_SIZE);
	crypto_scalarmult_base(pair->public, pair->secret);
}

void
key_pair_clear(struct key_pair *pair)
{
	sodium_memzero(pair, sizeof(*pair));
}

bool
key_equal(const uint8_t a[LINK_KEY_SIZE], const uint8_t b[LINK_KEY_SIZE])
{
	return sodium_memcmp(a, b, LINK_KEY_SIZE) == 0;
}

static int
join(char *path, size_t size, const char *folder, const char *below, const char *name)
{
	int n = snprintf(path, size, "%s%s/%s", folder, below, name);

	return n >= 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
}

int
key_default_path(const char *name, char *path, size_t size)
{
	const char *given = getenv(strcmp(name, "key") == 0 ? "MENDFS_KEY" : "MENDFS_KNOWN_SERVERS");
	const char *home = getenv("XDG_CONFIG_HOME");

	if (given != NULL && *given != '\0')
		return snprintf(path, size, "%s", given) < (int)size ? 0 : -ENAMETOOLONG;
	if (geteuid() == 0)
		return join(path, size, "/etc/mendfs", "", name);
	if (home != NULL && *home == '/')
		return join(path, size, home, "/mendfs", name);
	if ((home = getenv("HOME")) == NULL || *home != '/')
		return -ENOENT;
	return join(path, size, home, "/.config/mendfs", name);
}

/* ${path}, or the default one in ${room}; NULL, and ${*rc}. */
static const char *
path_or_default(const char *path, char room[PATH_MAX], int *rc, char *why, size_t why_size)
{
	if (path != NULL)
		return path;
	if ((*rc = key_default_path("key", room, PATH_MAX)) == 0)
		return room;
	snprintf(why, why_size, "no place for a key: HOME and MENDFS_KEY are not set, or too long");
	return NULL;
}

/* The secret of a key file's text, and nothing behind it but one newline. */
static int
parse_secret(const char *text, size_t len, uint8_t secret[LINK_KEY_SIZE])
{
	const size_t prefix_len = sizeof(secret_prefix) - 1;
	size_t got;

	if (len > 0 && text[len - 1] == '\n')
		len--;
	if (len != SECRET_TEXT_SIZE - 1 || memcmp(text, secret_prefix, prefix_len) != 0)
		return -EINVAL;
	if (sodium_base642bin(secret, LINK_KEY_SIZE, text + prefix_len, len - prefix_len, NULL, &got, NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
		return -EINVAL;
	return got == LINK_KEY_SIZE ? 0 : -EINVAL;
}

int
key_pair_read(const char *path, struct key_pair *pair, char *why, size_t why_size)
{
	char text[SECRET_TEXT_SIZE + 1], room[PATH_MAX];
	uint8_t secret[LINK_KEY_SIZE];
	ssize_t len;
	int fd, rc;

	if ((path = path_or_default(path, room, &rc, why, why_size)) == NULL)
		return rc;
	if ((fd = private_open(path, why, why_size)) < 0) {
		if (fd == -ENOENT)
			snprintf(why, why_size, "there is no key file %s: make one with \"mendctl key new\"", path);
		return fd;
	}
	if ((len = io_read(fd, text, sizeof(text))) < 0) {
		rc = (int)len;
		snprintf(why, why_size, "cannot read key file %s: %s", path, strerror(-rc));
		goto done;
	}
	if ((rc = parse_secret(text, (size_t)len, secret)) == 0)
		key_pair_from(pair, secret);
	else
		snprintf(why, why_size, "key file %s is damaged: it holds no line \"%sBASE64\"; make another with \"mendctl key new\"", path, secret_prefix);

done:
	sodium_memzero(text, sizeof(text));
	sodium_memzero(secret, sizeof(secret));
	close(fd);
	return rc;
}

int
key_make_folder(const char *path)
{
	char folder[PATH_MAX];

	if (snprintf(folder, sizeof(folder), "%s", path) >= (int)sizeof(folder))
		return -ENAMETOOLONG;
	for (char *slash = strchr(folder + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(folder, 0755) != 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return 0;
}

/* A folder's names are durable with it. */
static int
sync_folder(const char *path)
{
	char folder[PATH_MAX];
	int fd, rc;

	snprintf(folder, sizeof(folder), "%s", path);
	if ((fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return -errno;
	rc = fsync(fd) == 0 ? 0 : -errno;
	close(fd);
	return rc;
}

static int
write_secret(int fd, const struct key_pair *pair)
{
	char text[SECRET_TEXT_SIZE + 1];
	const size_t prefix_len = sizeof(secret_prefix) - 1;
	int rc;

	memcpy(text, secret_prefix, prefix_len);
	sodium_bin2base64(text + prefix_len, BASE64_SIZE, pair->secret, LINK_KEY_SIZE, sodium_base64_VARIANT_ORIGINAL);
	text[SECRET_TEXT_SIZE - 1] = '\n';
	if ((rc = io_write(fd, text, SECRET_TEXT_SIZE)) == 0 && fsync(fd) != 0)
		rc = -errno;
	sodium_memzero(text, sizeof(text));
	return rc;
}

int
key_pair_write(const char *path, const struct key_pair *pair, char *why, size_t why_size)
{
	char room[PATH_MAX];
	int fd, rc;

	if ((path = path_or_default(path, room, &rc, why, why_size)) == NULL)
		return rc;
	if ((rc = key_make_folder(path)) != 0) {
		snprintf(why, why_size, "cannot make the folder of %s: %s", path, strerror(-rc));
		return rc;
	}
	if ((fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600)) < 0) {
		rc = -errno;
		if (rc == -EEXIST)
			snprintf(why, why_size, "%s is there already, and is not overwritten: move it away first, if nobody needs it", path);
		else
			snprintf(why, why_size, "cannot make key file %s: %s", path, strerror(-rc));
		return rc;
	}
	if ((rc = write_secret(fd, pair)) == 0)
		rc = sync_folder(path);
	close(fd);
	if (rc != 0) {
		(void)unlink(path);
		snprintf(why, why_size, "cannot write key file %s: %s", path, strerror(-rc));
	}
	return rc;
}

void
key_to_text(const uint8_t key[LINK_KEY_SIZE], char text[KEY_TEXT_SIZE])
{
	const size_t prefix_len = sizeof(public_prefix) - 1;

	memcpy(text, public_prefix, prefix_len);
	sodium_bin2base64(text + prefix_len, BASE64_SIZE, key, LINK_KEY_SIZE, sodium_base64_VARIANT_ORIGINAL);
}

int
key_from_text(const char *text, uint8_t key[LINK_KEY_SIZE])
{
	const size_t prefix_len = sizeof(public_prefix) - 1;
	static const uint8_t any[LINK_KEY_SIZE] = { 1 };
	uint8_t shared[LINK_KEY_SIZE];
	size_t got;

	if (strlen(text) != KEY_TEXT_SIZE - 1 || strncmp(text, public_prefix, prefix_len) != 0)
		return -EINVAL;
	if (sodium_base642bin(key, LINK_KEY_SIZE, text + prefix_len, BASE64_SIZE - 1, NULL, &got, NULL, sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    got != LINK_KEY_SIZE)
		return -EINVAL;
	/* With a point of small order every secret gives zeros. */
	return crypto_scalarmult(shared, any, key) == 0 ? 0 : -EINVAL;
}
