/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/manifest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/json.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define MAX_MANIFEST 65536

bool manifest_name_ok(const char *s)
{
	return str_is_word(s, "._-") && s[0] != '.' && s[0] != '-' && strlen(s) < 64;
}

bool manifest_hex_ok(const char *s, size_t n)
{
	size_t len = strspn(s, "0123456789abcdef");

	return len && !s[len] && (n ? len == n : len <= DIGEST_LEN);
}

bool manifest_channel_ok(const char *s)
{
	return manifest_name_ok(s) && !(manifest_hex_ok(s, 0) && strlen(s) >= MANIFEST_PREFIX_MIN);
}

static bool get_word(const struct json_val *v, const char *key, char *dst, size_t size)
{
	const char *s = json_get_str(v, key, "");

	return manifest_name_ok(s) && str_fmt(dst, size, "%s", s) > 0;
}

static const char *wrong_field(const struct json_val *v, const char *digest, struct template *t)
{
	if (json_get_u64(v, "version", 0) != 1)
		return "version";
	if (!str_eq(json_get_str(v, "digest", ""), digest))
		return "digest";
	if (!get_word(v, "name", t->name, sizeof(t->name)))
		return "name";
	if (!get_word(v, "arch", t->arch, sizeof(t->arch)))
		return "arch";
	if (!get_word(v, "distribution", t->distribution, sizeof(t->distribution)))
		return "distribution";
	if (!get_word(v, "init", t->init, sizeof(t->init)))
		return "init";
	t->size = json_get_u64(v, "size", 0);
	if (!t->size || t->size > INT64_MAX)
		return "size";
	t->created = json_get_u64(v, "created", 0);
	t->packages = json_get_u64(v, "packages", 0);
	if (json_get(v, "files") && (!manifest_hex_ok(json_get_str(v, "files", ""), DIGEST_LEN) ||
	    str_fmt(t->files, sizeof(t->files), "%s", json_get_str(v, "files", "")) < 0))
		return "files";
	if (json_get(v, "signer") && !get_word(v, "signer", t->signer, sizeof(t->signer)))
		return "signer";
	if (json_get(v, "origin") && !get_word(v, "origin", t->origin, sizeof(t->origin)))
		return "origin";
	t->disk = str_eq(json_get_str(v, "content", "root"), "disk");
	if (!t->disk && !str_eq(json_get_str(v, "content", "root"), "root"))
		return "content";
	return NULL;
}

int manifest_parse(const char *text, size_t len, const char *digest, struct template *ret,
		   struct err *e)
{
	struct template t = { 0 };
	struct json_val *v;
	const char *bad;
	char name[32];
	int r;

	(void)str_fmt(name, sizeof(name), "manifest %.12s", digest);
	r = json_parse(text, len, name, &v, e);
	if (r < 0)
		return err_exit(e, VZ_BAD_TEMPLATE);
	bad = wrong_field(v, digest, &t);
	json_val_free(v);
	if (bad)
		return err_set(e, EINVAL, VZ_BAD_TEMPLATE, "parse %s: bad or missing %s", name, bad);
	(void)str_fmt(t.digest, sizeof(t.digest), "%s", digest);
	*ret = t;
	return 0;
}

static void file_name(const char *digest, char dst[DIGEST_LEN + 8])
{
	(void)snprintf(dst, DIGEST_LEN + 8, "%.*s.json", DIGEST_LEN, digest);
}

int manifest_load(int dir, const char *digest, struct template *ret, struct err *e)
{
	char name[DIGEST_LEN + 8];
	_free_ char *text = NULL;
	size_t len;
	int r;

	file_name(digest, name);
	r = fs_read_at(dir, name, MAX_MANIFEST, &text, &len, e);
	if (r == -ENOENT)
		return err_set(e, ENOENT, VZ_NO_TEMPLATE, "find template %.12s: not in the store",
			       digest);
	if (r < 0)
		return err_exit(e, VZ_BAD_TEMPLATE);
	return manifest_parse(text, len, digest, ret, e);
}

int manifest_save(int dir, const struct template *t, struct err *e)
{
	struct json_out *j = json_new(true);
	char name[DIGEST_LEN + 8];
	const char *text;
	int r;

	if (!j)
		return err_set(e, ENOMEM, 0, "save manifest: out of memory");
	json_object(j);
	json_ku64(j, "version", 1);
	json_kstr(j, "digest", t->digest);
	json_kstr(j, "name", t->name);
	json_kstr(j, "arch", t->arch);
	json_kstr(j, "distribution", t->distribution);
	json_kstr(j, "init", t->init);
	if (*t->signer)
		json_kstr(j, "signer", t->signer);
	if (*t->origin)
		json_kstr(j, "origin", t->origin);
	if (*t->files)
		json_kstr(j, "files", t->files);
	if (t->disk)
		json_kstr(j, "content", "disk");
	json_ku64(j, "packages", t->packages);
	json_ku64(j, "size", t->size);
	json_ku64(j, "created", t->created);
	json_end(j);
	r = json_finish(j, &text, e);
	file_name(t->digest, name);
	if (!r)
		r = fs_save_at(dir, name, text, 0644, e);
	json_free(j);
	return r;
}
