#include "replica/url.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const schemes[] = { [URL_MEND] = "mend://", [URL_SSH] = "ssh://" };
static const unsigned ports[] = { [URL_MEND] = URL_MEND_PORT, [URL_SSH] = URL_SSH_PORT };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The scheme, and what follows it; NULL: it is none of ours. */
static const char *
scheme_of(const char *text, enum url_scheme *scheme)
{
	size_t i;

	for (i = 0; i < COUNT(schemes); i++) {
		if (strncmp(text, schemes[i], strlen(schemes[i])) == 0) {
			*scheme = (enum url_scheme)i;
			return text + strlen(schemes[i]);
		}
	}
	return NULL;
}

bool
url_is(const char *text)
{
	enum url_scheme scheme;

	return scheme_of(text, &scheme) != NULL;
}

size_t
url_authority(const char *text)
{
	size_t len = 0;

	while (isalpha((unsigned char)text[len]))
		len++;
	if (len == 0 || strncmp(text + len, "://", 3) != 0)
		return 0;
	len += 3;
	return len + strcspn(text + len, "/");
}

/* Copy ${len} bytes of which each is a letter, a digit, or one of ${others}. */
static bool
take(char *out, size_t max, const char *from, size_t len, const char *others)
{
	size_t i;

	if (len == 0 || len > max || from[0] == '-')
		return false;
	for (i = 0; i < len; i++) {
		if (!isalnum((unsigned char)from[i]) && strchr(others, from[i]) == NULL)
			return false;
		out[i] = from[i];
	}
	out[len] = '\0';
	return true;
}

static bool
take_port(struct url *url, const char *digits, size_t len)
{
	size_t i;

	if (len == 0 || len > 5)
		return false;
	for (url->port = 0, i = 0; i < len; i++) {
		if (!isdigit((unsigned char)digits[i]))
			return false;
		url->port = 10 * url->port + (unsigned)(digits[i] - '0');
	}
	url->port_given = true;
	return url->port > 0 && url->port <= 65535;
}

/* HOST[:PORT] or [ADDRESS][:PORT], ${len} bytes. */
static const char *
take_place(struct url *url, const char *at, size_t len)
{
	const char *end = at + len, *host_end;

	if (*at == '[') {
		if ((host_end = memchr(at, ']', len)) == NULL ||
		    !take(url->host, URL_HOST_MAX, at + 1, (size_t)(host_end - at) - 1, ":.%_-"))
			return "its address in brackets is none";
		host_end++;
	} else {
		if ((host_end = memchr(at, ':', len)) == NULL)
			host_end = end;
		if (!take(url->host, URL_HOST_MAX, at, (size_t)(host_end - at), ".-_"))
			return "it names no host (an IPv6 address stands in brackets)";
	}
	if (host_end == end)
		return NULL;
	return *host_end == ':' && take_port(url, host_end + 1, (size_t)(end - host_end) - 1) ? NULL :
	    "its port is no number from 1 to 65535";
}

static const char *
take_path(struct url *url, const char *path)
{
	size_t i;

	if (url->scheme == URL_MEND) {
		return *path == '/' && take(url->path, URL_EXPORT_MAX, path + 1, strlen(path + 1), "._-") ? NULL :
		    "it names no export; say mend://HOST/EXPORT, with letters, digits and ._- only";
	}
	if (path[0] != '/' || path[strspn(path, "/")] == '\0')
		return "it names no directory; say ssh://HOST/DIRECTORY";
	if (strlen(path) >= sizeof(url->path))
		return "its directory is too long";
	for (i = 0; path[i] != '\0'; i++) {
		if (iscntrl((unsigned char)path[i]))
			return "its directory has a control character in its name";
	}
	memcpy(url->path, path, i + 1);
	return NULL;
}

int
url_parse(const char *text, struct url *url, const char **why)
{
	const char *at, *end, *user_end;

	memset(url, 0, sizeof(*url));
	if ((at = scheme_of(text, &url->scheme)) == NULL) {
		*why = "it begins with neither mend:// nor ssh://";
		return -EINVAL;
	}
	url->port = ports[url->scheme];
	end = at + strcspn(at, "/");
	if (url->scheme == URL_SSH && (user_end = memchr(at, '@', (size_t)(end - at))) != NULL) {
		*why = "it names no user before the @";
		if (!take(url->user, URL_USER_MAX, at, (size_t)(user_end - at), "._-+"))
			return -EINVAL;
		at = user_end + 1;
	}
	if ((*why = take_place(url, at, (size_t)(end - at))) != NULL || (*why = take_path(url, end)) != NULL)
		return -EINVAL;
	return 0;
}

/* ${path} without repeated and last slashes, in place of itself. */
static void
squeeze(char *path)
{
	char *to = path, *from;

	for (from = path; *from != '\0'; from++) {
		if (*from != '/' || (from[1] != '/' && from[1] != '\0'))
			*to++ = *from;
	}
	*to = '\0';
}

int
url_format(const struct url *url, char *out, size_t size)
{
	bool address = strchr(url->host, ':') != NULL;
	char port[16] = "", path[PATH_MAX];
	size_t i;
	int len;

	if (url->port != ports[url->scheme])
		(void)snprintf(port, sizeof(port), ":%u", url->port);
	memcpy(path, url->path, sizeof(path));
	squeeze(path);
	len = snprintf(out, size, "%s%s%s%s%s%s%s%s%s", schemes[url->scheme], url->user, url->user[0] != '\0' ? "@" : "",
	    address ? "[" : "", url->host, address ? "]" : "", port, url->scheme == URL_MEND ? "/" : "", path);
	if (len < 0 || (size_t)len >= size)
		return -ENAMETOOLONG;
	/* Names of hosts are the same in any case. */
	for (i = strlen(schemes[url->scheme]) + (url->user[0] != '\0' ? strlen(url->user) + 1 : 0); out[i] != '/'; i++)
		out[i] = (char)tolower((unsigned char)out[i]);
	return 0;
}
