/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recipes of the administrator: NAME.recipe, lines KEY="value" as in berth.conf, on top of one that
 * is built in. A key that is not known is refused, for what it asks for would not be done.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "templates/manifest.h"
#include "templates/recipe.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define RECIPE_MAX 65536

static const struct {
	const char *key;
	size_t off, size;
} keys[] = {
	{ "BASE", offsetof(struct recipe_extra, base), sizeof(((struct recipe_extra *)0)->base) },
	{ "PACKAGES", offsetof(struct recipe_extra, packages),
	  sizeof(((struct recipe_extra *)0)->packages) },
	{ "MIRROR", offsetof(struct recipe_extra, mirror), sizeof(((struct recipe_extra *)0)->mirror) },
	{ "HOOK", offsetof(struct recipe_extra, hook), sizeof(((struct recipe_extra *)0)->hook) },
};

static bool take_line(const char *line, size_t len, struct recipe_extra *x)
{
	const char *eq = memchr(line, '=', len);

	if (!len || *line == '#')
		return true;
	for (size_t i = 0; eq && i < ARRAY_SIZE(keys); i++) {
		const char *v = eq + 1;
		size_t n = len - (size_t)(v - line);

		if (strlen(keys[i].key) != (size_t)(eq - line) ||
		    strncmp(line, keys[i].key, (size_t)(eq - line)) != 0)
			continue;
		if (n >= 2 && *v == '"' && v[n - 1] == '"') {
			v++;
			n -= 2;
		}
		return n < keys[i].size && !memchr(v, '"', n) &&
		       str_fmt((char *)x + keys[i].off, keys[i].size, "%.*s", (int)n, v) >= 0 &&
		       !str_has_control((char *)x + keys[i].off);
	}
	return false;
}

/* Names of packages, by blanks or commas, as one list for mmdebstrap. */
static bool make_list(struct recipe_extra *x)
{
	const char *p = x->packages;
	char list[sizeof(x->packages)] = "", one[128];
	size_t at = 0;
	int r;

	while ((r = str_word(&p, one, sizeof(one))) == 1) {
		int n = str_is_word(one, ".+-:") && isalnum((unsigned char)*one) ?
			str_fmt(list + at, sizeof(list) - at, "%s%s", at ? "," : "", one) : -1;

		if (n < 0)
			return false;
		at += (size_t)n;
	}
	(void)str_fmt(x->packages, sizeof(x->packages), "%s", list);
	return r == 0;
}

int recipe_load(int dir, const char *name, struct recipe_extra *ret, struct err *e)
{
	struct recipe_extra x = { .base = "" };
	_free_ char *text = NULL;
	char file[80];
	unsigned line = 1;
	int r;

	if (dir < 0 || !manifest_name_ok(name) || str_fmt(file, sizeof(file), "%s.recipe", name) < 0)
		return err_set(e, ENOENT, VZ_BAD_VALUE, "there is no recipe \"%.60s\"",
			       str_has_control(name) ? "?" : name);
	r = fs_read_at(dir, file, RECIPE_MAX, &text, NULL, e);
	if (r == -ENOENT)
		return err_set(e, ENOENT, VZ_BAD_VALUE, "there is no recipe \"%.60s\"", name);
	if (r < 0)
		return err_exit(e, VZ_BAD_VALUE);
	for (const char *p = text; *p; line++) {
		size_t n = strcspn(p, "\n");

		if (!take_line(p, n, &x))
			return err_set(e, EINVAL, VZ_BAD_VALUE, "read %s: line %u makes no sense", file,
				       line);
		p += n + (p[n] == '\n');
	}
	if (!*x.base || !make_list(&x))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "read %s: %s", file,
			       *x.base ? "PACKAGES is no list of names" : "BASE is missing");
	*ret = x;
	return 0;
}

/* It runs as root on the host, so nobody else may have a say in what it is. */
int recipe_check_hook(const char *path, struct err *e)
{
	struct stat st;

	if (*path != '/')
		return err_set(e, EINVAL, VZ_BAD_VALUE, "run HOOK %.200s: not an absolute path", path);
	if (stat(path, &st) < 0) {
		(void)err_sys(e, "run HOOK %.200s", path);
		return err_exit(e, VZ_BAD_VALUE);
	}
	if (!S_ISREG(st.st_mode) || !(st.st_mode & 0100) || st.st_uid != 0 || (st.st_mode & 022))
		return err_set(e, EPERM, VZ_BAD_VALUE,
			       "run HOOK %.200s: must be a program that only root can write", path);
	return 0;
}
