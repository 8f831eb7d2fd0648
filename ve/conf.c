/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The config file's grammar is the part of sh that vzctl's files use: KEY="value", KEY=value,
 * comments and blank lines. The value runs from the first quote to the last quote of the line;
 * what sh would take for its own in double quotes stands behind a backslash, because mount
 * scripts and panels source these files. Anything else is a broken file, refused with its line
 * number: guessing would lose settings.
 */
#include "ve/conf.h"
#include "netns/services.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define CONF_MAX 65536          /* bytes of a config file */

static bool is_blank(const char *s, size_t n)
{
	return n == 0 || s[0] == '#' || strspn(s, " \t\r") >= n;
}

#define SH_SPECIAL "\"\\$`"     /* within double quotes (sh(1), Quoting) */

static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (*s == '\\' && s[1] && strchr(SH_SPECIAL, s[1]))
			s++;
		*to++ = *s;
	}
	*to = '\0';
}

static int copy_value(struct conf_line *l, const char *v, size_t n)
{
	bool twofold = n && *v == '"';

	while (n && (v[n - 1] == ' ' || v[n - 1] == '\t' || v[n - 1] == '\r'))
		n--;
	if (n && (*v == '"' || *v == '\'')) {
		if (n < 2 || v[n - 1] != *v)
			return -EINVAL;
		v++;
		n -= 2;
	}
	if (n >= sizeof(l->value))
		return -EINVAL;
	memcpy(l->value, v, n);
	l->value[n] = '\0';
	if (twofold)
		unescape(l->value);
	return 0;
}

static int parse_line(struct conf_line *l)
{
	const char *eq = memchr(l->start, '=', l->len);
	size_t k;

	l->key[0] = l->value[0] = '\0';
	if (is_blank(l->start, l->len))
		return 0;
	k = eq ? (size_t)(eq - l->start) : 0;
	if (!k || k >= sizeof(l->key))
		return -EINVAL;
	memcpy(l->key, l->start, k);
	l->key[k] = '\0';
	if (!str_is_word(l->key, "_"))
		return -EINVAL;
	return copy_value(l, eq + 1, l->len - k - 1);
}

int conf_next(const char **pos, struct conf_line *line)
{
	const char *s = *pos, *nl;

	if (!*s)
		return 0;
	nl = strchr(s, '\n');
	line->start = s;
	line->len = nl ? (size_t)(nl - s) : strlen(s);
	line->number++;
	*pos = nl ? nl + 1 : s + line->len;
	return parse_line(line) < 0 ? -EINVAL : 1;
}

/* Binary data has no business in a config file, and NUL would hide what follows it. */
static int check_text(const char *text, size_t len, const char *name, struct err *e)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c < 0x20 && c != '\n' && c != '\t' && c != '\r') || c == 0x7f)
			return err_set(e, EINVAL, VZ_BAD_CONF,
				       "read %s: byte %zu is binary (0x%02x)", name, i, c);
	}
	if (len && text[len - 1] != '\n')
		return err_set(e, EINVAL, VZ_BAD_CONF,
			       "read %s: the last line has no end; the file is truncated", name);
	return 0;
}

int conf_parse(const char *text, size_t len, const char *name, struct ve_conf *c, struct err *e)
{
	struct conf_line line = { 0 };
	struct ve_conf out = { 0 };
	const char *pos = text;
	int r = check_text(text, len, name, e);

	if (r < 0)
		return r;
	while ((r = conf_next(&pos, &line)) != 0) {
		const struct param *p;

		if (r < 0)
			return err_set(e, EINVAL, VZ_BAD_CONF, "read %s: line %u is not KEY=\"value\"",
				       name, line.number);
		p = line.key[0] ? param_by_key(line.key) : NULL;
		if (!p)
			continue;               /* not ours: survives a save as it is */
		r = param_parse(p, line.value, true, &out, e);
		if (r < 0) {
			e->exit = VZ_BAD_CONF;
			return err_wrap(e, "read %s: line %u", name, line.number);
		}
	}
	*c = out;
	return 0;
}

static int conf_path(uint32_t id, char dst[64])
{
	return str_fmt(dst, 64, "conf/%u.conf", id);
}

static int conf_read(const struct inst *in, const char *path, char **ret, size_t *ret_len,
		     struct err *e)
{
	int r = fs_read_at(in->etc, path, CONF_MAX, ret, ret_len, e);

	return r < 0 ? err_exit(e, r == -ENOENT ? VZ_NO_CONF : VZ_BAD_CONF) : 0;
}

int conf_load(const struct inst *in, uint32_t id, struct ve_conf *ret, struct err *e)
{
	_free_ char *text = NULL;
	char path[64];
	size_t len;
	int r;

	(void)conf_path(id, path);
	r = conf_read(in, path, &text, &len, e);
	if (r == -ENOENT && archive_has(in, id))
		return err_set(e, ENOENT, VZ_NO_CONF, "VE %u is archived (archive restore %u)", id, id);
	if (r == -ENOENT)
		return err_set(e, ENOENT, VZ_NO_CONF, "VE %u does not exist", id);
	if (r < 0)
		return r;
	return conf_parse(text, len, path, ret, e);
}

/* ---- writing ---- */

struct out {
	char *buf;
	size_t len, cap;
	bool failed;
};

static void put(struct out *o, const char *s, size_t n)
{
	if (o->failed)
		return;
	if (o->len + n + 1 > o->cap) {
		size_t cap = (o->len + n + 1) * 2;
		char *more = realloc(o->buf, cap);

		if (!more) {
			o->failed = true;
			return;
		}
		o->buf = more;
		o->cap = cap;
	}
	memcpy(o->buf + o->len, s, n);
	o->len += n;
	o->buf[o->len] = '\0';
}

static void put_row(struct out *o, const struct param *p, const struct ve_conf *c)
{
	char value[4096];

	if (param_format(p, c, true, value, sizeof(value)) < 0) {
		o->failed = true;
		return;
	}
	put(o, p->key, strlen(p->key));
	put(o, "=\"", 2);
	for (const char *s = value; *s; s++) {
		if (strchr(SH_SPECIAL, *s))
			put(o, "\\", 1);
		put(o, s, 1);
	}
	put(o, "\"\n", 2);
}

int conf_format(const char *old_text, const struct ve_conf *c, char **ret, struct err *e)
{
	struct conf_line line = { 0 };
	struct ve_conf left = *c;
	struct out o = { 0 };
	const char *pos = old_text;
	int r;

	put(&o, "", 0);
	while ((r = conf_next(&pos, &line)) != 0) {
		const struct param *p = r > 0 && line.key[0] ? param_by_key(line.key) : NULL;

		if (p && conf_has(c, p)) {
			if (conf_has(&left, p))         /* a second line of the key goes */
				put_row(&o, p, c);
			conf_mark(&left, p, false);
		} else {
			put(&o, line.start, line.len);
			put(&o, "\n", 1);
		}
	}
	for (size_t i = 0; i < n_params; i++)
		if (params[i].key && conf_has(&left, &params[i]))
			put_row(&o, &params[i], c);
	if (o.failed || !o.buf) {
		free(o.buf);
		return err_set(e, ENOMEM, VZ_CONF_SAVE, "format the config: out of memory");
	}
	*ret = o.buf;
	return 0;
}

int conf_save_early(const struct inst *in, uint32_t id, const struct ve_conf *c, struct err *e)
{
	_free_ char *old = NULL, *text = NULL;
	char path[64];
	int r;

	(void)conf_path(id, path);
	r = conf_read(in, path, &old, NULL, e);
	if (r < 0 && r != -ENOENT)
		return r;
	err_clear(e);                           /* no file yet: a new one */
	r = conf_format(old ? old : "", c, &text, e);
	if (!r)
		r = fs_save_early_at(in->etc, path, text, 0644, e);
	return r < 0 ? err_exit(e, VZ_CONF_SAVE) : 0;
}

int conf_sync(const struct inst *in, struct err *e)
{
	_fd_ int dir = -1;
	int r = fs_open_dir(in->etc, "conf", &dir, e);

	if (!r && fsync(dir) < 0)
		r = err_sys(e, "save the configs: sync their directory");
	return r < 0 ? err_exit(e, VZ_CONF_SAVE) : 0;
}

int conf_save(const struct inst *in, uint32_t id, const struct ve_conf *c, struct err *e)
{
	int r = conf_save_early(in, id, c, e);

	return r < 0 ? r : conf_sync(in, e);
}

/* ---- plans ---- */

/* The files of contrib/plans, so that they are there without any installation. */
static const struct { const char *name, *text; } builtin[] = {
#include "ve/plans.inc"
};

static int load_builtin(const char *name, struct ve_conf *ret, struct err *e)
{
	char names[256] = "";
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(builtin); i++) {
		int r;

		if (str_eq(builtin[i].name, name))
			return conf_parse(builtin[i].text, strlen(builtin[i].text), name, ret, e);
		r = str_fmt(names + len, sizeof(names) - len, "%s%s", i ? ", " : "",
			    builtin[i].name);
		len += r > 0 ? (size_t)r : 0;
	}
	return err_set(e, ENOENT, VZ_APPLYCONFIG,
		       "load plan %s: no conf/ve-%s.conf-sample; built in are %s", name, name,
		       names);
}

/* A plan is often the copy of a VE's config. It sets sizes; it never says who a VE is. */
static void forget_identity(struct ve_conf *c)
{
	static const char *const keys[] = { "NAME", "TEMPLATE_VERSION", "LOCAL_UID", "LOCAL_GID",
					    "HOSTNAME", "IP_ADDRESS", "NETIF" };
	struct ve_conf none = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		param_copy(param_by_key(keys[i]), c, &none);
}

int conf_load_sample(const struct inst *in, const char *name, struct ve_conf *ret, struct err *e)
{
	_free_ char *text = NULL;
	char path[160];
	size_t len;
	int r;

	if (!str_is_word(name, "._-") || str_fmt(path, sizeof(path), "conf/ve-%s.conf-sample",
						 name) < 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "load plan \"%.60s\": not a plan's name", name);
	r = conf_read(in, path, &text, &len, e);
	if (r == -ENOENT) {
		err_clear(e);
		return load_builtin(name, ret, e);
	}
	if (!r)
		r = conf_parse(text, len, path, ret, e);
	if (!r)
		forget_identity(ret);
	return r;
}

/* ---- berth.conf ---- */

static int global_line(struct inst_conf *c, const struct conf_line *l)
{
	if (str_eq(l->key, "ID_BASE"))
		return parse_u64(l->value, 65536, UINT32_MAX, &c->id_base);
	if (str_eq(l->key, "ID_SLOTS"))
		return parse_u64(l->value, 1, 65535, &c->id_slots);
	if (str_eq(l->key, "STOP_TIMEOUT"))
		return parse_u64(l->value, 1, 86400, &c->stop_timeout);
	if (str_eq(l->key, "VE_STOP_MODE")) {
		c->stop_suspends = str_eq(l->value, "suspend");
		return c->stop_suspends || str_eq(l->value, "stop") ? 0 : -EINVAL;
	}
	if (str_eq(l->key, "VE_PARALLEL"))
		return parse_u64(l->value, 0, 1024, &c->parallel);
	if (str_eq(l->key, "BOOT_LOAD"))
		return parse_u64(l->value, 0, 1024, &c->boot_load);
	if (str_eq(l->key, "VE_SLICE"))
		return (*l->value && !cg_slice_valid(l->value)) ||
		       str_fmt(c->slice, sizeof(c->slice), "%s", l->value) < 0 ? -EINVAL : 0;
	if (str_eq(l->key, "VM_ACCEL")) {
		c->emulate = str_eq(l->value, "tcg");
		return c->emulate || str_eq(l->value, "kvm") ? 0 : -EINVAL;
	}
	if (str_eq(l->key, "LXCFS"))
		return parse_bool(l->value, &c->lxcfs);
	if (str_eq(l->key, "HOST_ROOT_MOUNTS"))
		return parse_bool(l->value, &c->host_roots);
	if (str_eq(l->key, "DISK_HEADROOM")) {
		c->headroom_set = true;
		return parse_size(l->value, 1024, false, &c->disk_headroom);
	}
	if (str_eq(l->key, "TEMPLATE_SIGNATURE")) {
		/* What is no known word must not mean "none needed". */
		c->template_signature = str_eq(l->value, "require");
		return c->template_signature || str_eq(l->value, "optional") ? 0 : -EINVAL;
	}
	if (str_eq(l->key, "CONFIGFILE"))
		return str_fmt(c->configfile, sizeof(c->configfile), "%s", l->value) < 0 ? -ERANGE : 0;
	if (str_eq(l->key, "DEF_OSTEMPLATE"))
		return str_fmt(c->def_ostemplate, sizeof(c->def_ostemplate), "%s", l->value) < 0
			? -ERANGE : 0;
	if (str_eq(l->key, "NAMESERVER"))
		return str_fmt(c->nameserver, sizeof(c->nameserver), "%s", l->value) < 0 ? -ERANGE : 0;
	if (str_eq(l->key, "HOST_SERVICES")) {
		struct services checked;

		return services_parse(l->value, &checked) < 0 ? -EINVAL :
		       str_fmt(c->host_services, sizeof(c->host_services), "%s", l->value) < 0 ? -ERANGE : 0;
	}
	if (str_eq(l->key, "SEARCHDOMAIN"))
		return str_fmt(c->searchdomain, sizeof(c->searchdomain), "%s", l->value) < 0
			? -ERANGE : 0;
	if (str_eq(l->key, "SSH"))
		return *l->value == '/' && str_fmt(c->ssh, sizeof(c->ssh), "%s", l->value) > 0 ? 0 : -EINVAL;
	return 0;                               /* keys of vz.conf that mean nothing here */
}

int inst_conf_load(struct inst *in, struct err *e)
{
	_free_ char *text = NULL;
	struct conf_line line = { 0 };
	const char *pos;
	size_t len;
	int r = fs_read_at(in->etc, "berth.conf", CONF_MAX, &text, &len, e);

	if (r == -ENOENT) {
		err_clear(e);
		return 0;
	}
	if (r < 0)
		return err_exit(e, VZ_NO_GLOBAL_CONF);
	r = check_text(text, len, "berth.conf", e);
	if (r < 0)
		return r;
	for (pos = text; (r = conf_next(&pos, &line)) != 0;)
		if (r < 0 || global_line(&in->conf, &line) < 0)
			return err_set(e, EINVAL, VZ_BAD_CONF, "read berth.conf: line %u: bad value",
				       line.number);
	return 0;
}
