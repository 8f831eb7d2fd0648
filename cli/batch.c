/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/xalloc.h"
#include "netns/ipam.h"
#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/json.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/ptypes.h"
#include "ve/refuse.h"
#include "ve/registry.h"

#define FILE_MAX (16 << 20)
#define VES_MAX 100000

/* ---- rows ---- */

/* "web-{n}": n counts the rows from 1, id is the VE's number. */
static int fill_in(const char *pattern, size_t n, uint32_t id, char *dst, size_t size)
{
	size_t len = 0;
	int r = 0;

	*dst = '\0';
	while (*pattern && r >= 0) {
		const char *brace = strchr(pattern, '{');
		int head = brace ? (int)(brace - pattern) : (int)strlen(pattern);

		r = str_fmt(dst + len, size - len, "%.*s", head, pattern);
		len += r > 0 ? (size_t)r : 0;
		pattern += head;
		if (!*pattern || r < 0)
			break;
		if (str_starts(pattern, "{n}"))
			r = str_fmt(dst + len, size - len, "%zu", n + 1);
		else if (str_starts(pattern, "{id}"))
			r = str_fmt(dst + len, size - len, "%u", id);
		else
			r = str_fmt(dst + len, size - len, "{");
		len += r > 0 ? (size_t)r : 0;
		pattern += str_starts(pattern, "{n}") ? 3 : str_starts(pattern, "{id}") ? 4 : 1;
	}
	return r < 0 ? r : 0;
}

static int put(const struct batch *b, size_t i, const struct param *p, const char *pattern,
	       struct ve_change *to, struct err *e)
{
	char text[4096];

	if (fill_in(pattern, i, b->ids[i], text, sizeof(text)) < 0)
		return err_set(e, E2BIG, VZ_BAD_VALUE, "--%s: value too long", p->opt);
	return param_parse(p, text, false, &to->to, e);
}

static bool is_id(const char *column)
{
	return str_eq(column, "id") || str_eq(column, "ctid");
}

static int line_error(const struct batch *b, size_t i, struct err *e)
{
	struct err why = *e;

	return err_set(e, why.eno, why.exit, "%s row %zu: %s", b->a->from, i + 1, why.msg);
}

int batch_change(const struct batch *b, size_t i, struct ve_change *ret, struct err *e)
{
	size_t col;
	int r = 0;

	*ret = b->a->change;
	for (unsigned k = 0; k < b->a->n_patterns && r >= 0; k++)
		r = put(b, i, b->a->pattern[k].param, b->a->pattern[k].text, ret, e);
	for (col = 0; col < b->csv.n_cols && r >= 0; col++) {
		const char *field = csv_field(&b->csv, i, col);

		if (is_id(csv_name(&b->csv, col)) || !*field)
			continue;
		r = put(b, i, param_by_opt(csv_name(&b->csv, col)), field, ret, e);
		if (r < 0)
			r = line_error(b, i, e);
	}
	return r;
}

/* ---- numbers ---- */

/* FNV-1a: to tell command lines apart, not to keep anybody out. */
static uint64_t hash(uint64_t h, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)s[i]) * UINT64_C(1099511628211);
	return h * UINT64_C(1099511628211);
}

static void make_key(struct batch *b, const char *file, size_t len)
{
	uint64_t h = hash(UINT64_C(14695981039346656037), file ? file : "", len);

	for (char **arg = b->a->argv; arg && *arg; arg++)
		h = hash(h, *arg, strlen(*arg));
	(void)str_fmt(b->key, sizeof(b->key), "%016" PRIx64, h);
}

static void record_path(const struct batch *b, char dst[64])
{
	(void)str_fmt(dst, 64, "batch/%s.json", b->key);
}

/* The numbers that an earlier run of the same command has chosen. */
static bool resume(const struct inst *in, struct batch *b)
{
	struct err ignored = ERR_INIT;
	_free_ char *text = NULL;
	struct json_val *v = NULL;
	const struct json_val *ids;
	char path[64];
	size_t len, i;

	record_path(b, path);
	if (fs_read_at(in->lib, path, FILE_MAX, &text, &len, &ignored) < 0 ||
	    json_parse(text, len, path, &v, &ignored) < 0)
		return false;
	ids = json_get(v, "ids");
	b->resumed = json_len(ids) == b->n;
	for (i = 0; i < b->n && b->resumed; i++) {
		const char *id = json_string(json_at(ids, i));

		b->resumed = id && parse_u32(id, VEID_MIN, VEID_MAX, &b->ids[i]) == 0;
	}
	json_val_free(v);
	return b->resumed;
}

static int ids_of_file(struct batch *b, size_t col, struct err *e)
{
	size_t i;

	for (i = 0; i < b->n; i++) {
		const char *field = csv_field(&b->csv, i, col);

		if (parse_u32(field, VEID_MIN, VEID_MAX, &b->ids[i]) < 0)
			return err_set(e, EINVAL, VZ_BAD_VALUE,
				       "%s row %zu: \"%.40s\" is not a number for a VE (%d to %d)",
				       b->a->from, i + 1, field, VEID_MIN, VEID_MAX);
	}
	return 0;
}

static int free_ids(const struct inst *in, struct batch *b, uint32_t id, struct err *e)
{
	size_t i;

	for (i = 0; i < b->n; id++) {
		if (id > VEID_MAX)
			return err_set(e, ERANGE, VZ_BAD_VALUE, "create: no number is free from %u on", id);
		if (!reg_exists(in, id))
			b->ids[i++] = id;
	}
	return 0;
}

static int choose_ids(const struct inst *in, struct batch *b, struct err *e)
{
	size_t col;

	for (col = 0; col < b->csv.n_cols; col++)
		if (is_id(csv_name(&b->csv, col)))
			return ids_of_file(b, col, e);
	return free_ids(in, b, b->a->n_ids ? b->a->ids[0] : VEID_MIN, e);
}

/* ---- the plan ---- */

static int check_columns(const struct batch *b, struct err *e)
{
	size_t col;

	for (col = 0; col < b->csv.n_cols; col++) {
		const char *name = csv_name(&b->csv, col);
		const struct param *p = param_by_opt(name);

		if (!is_id(name) && (!p || p->flags & P_HIDDEN))
			return err_set(e, EINVAL, VZ_BAD_OPTION,
				       "%s: column \"%.60s\" is neither id nor an option of create",
				       b->a->from, name);
	}
	return 0;
}

static int read_file(struct batch *b, char **ret_text, size_t *ret_len, struct err *e)
{
	int r = fs_read_at(AT_FDCWD, b->a->from, FILE_MAX, ret_text, ret_len, e);

	if (r >= 0)
		r = csv_parse(*ret_text, *ret_len, b->a->from, &b->csv, e);
	if (r < 0)
		return err_exit(e, VZ_BAD_VALUE);
	b->n = b->csv.n_rows;
	if (b->a->count && b->a->count != b->n)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "create: --count %" PRIu64 ", but %s has %zu rows",
			       b->a->count, b->a->from, b->n);
	if (!b->n)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "%s: no rows below the names of the columns",
			       b->a->from);
	return check_columns(b, e);
}

int batch_plan(struct inst *in, const struct args *a, struct batch *ret, struct err *e)
{
	struct batch b = { .a = a, .csv = CSV_INIT, .n = a->count };
	_free_ char *text = NULL;
	size_t len = 0;
	int r = a->from ? read_file(&b, &text, &len, e) : 0;

	if (r >= 0 && b.n > VES_MAX)
		r = err_set(e, E2BIG, VZ_BAD_VALUE, "create: more than %d VEs at once", VES_MAX);
	if (r >= 0) {
		b.ids = xcalloc(b.n, sizeof(*b.ids));
		make_key(&b, text, len);
		r = resume(in, &b) ? 0 : choose_ids(in, &b, e);
	}
	if (r < 0) {
		batch_done(&b);
		return r;
	}
	*ret = b;
	return 0;
}

void batch_done(struct batch *b)
{
	csv_done(&b->csv);
	free(b->ids);
	b->ids = NULL;
}

/* ---- check ---- */

/* A thing of which there is one, and the row that wants it. */
struct claim {
	char what[72];
	size_t row;
};

static int by_what(const void *a, const void *b)
{
	return strcmp(((const struct claim *)a)->what, ((const struct claim *)b)->what);
}

static int twice(struct claim *all, size_t n, const struct batch *b, struct err *e)
{
	size_t i;

	qsort(all, n, sizeof(*all), by_what);
	for (i = 1; i < n; i++)
		if (str_eq(all[i - 1].what, all[i].what))
			return err_set(e, EEXIST, VZ_BAD_VALUE, "create: %s is wanted twice, by CT %u and CT %u",
				       all[i].what, b->ids[all[i - 1].row], b->ids[all[i].row]);
	return 0;
}

static int check_name(const struct inst *in, const char *name, uint32_t id, struct err *e)
{
	struct err nobody = ERR_INIT;
	uint32_t owner;

	if (!reg_name_ok(name))
		return err_set(e, EINVAL, VZ_NAME, "create: \"%.60s\" is not a name", name);
	if (reg_resolve(in, name, &owner, &nobody) == 0 && owner != id)
		return err_set(e, EEXIST, VZ_NAME, "create: name %s is taken by CT %u", name, owner);
	return 0;
}

static int check_ip(int dir, const struct ipaddr *a, uint32_t id, struct err *e)
{
	char text[IPADDR_STRLEN];
	int64_t owner = ipam_owner(dir, a);

	format_ip_host(a, text);
	if (owner > 0 && owner != id)
		return err_set(e, EADDRINUSE, VZ_IP_IN_USE, "create: %s is in use by CT %" PRId64, text, owner);
	if (net_is_host_addr(a))
		return err_set(e, EADDRINUSE, VZ_IP_IN_USE, "create: %s is an address of this host", text);
	return 0;
}

struct check {
	const struct batch *b;
	struct store store;
	struct claim *claims;
	size_t n, room;
	int ip_dir;
};

static struct claim *claim(struct check *k, size_t row)
{
	if (k->n == k->room) {
		k->room = k->room ? 2 * k->room : 256;
		k->claims = xrealloc(k->claims, k->room, sizeof(*k->claims));
	}
	k->claims[k->n].row = row;
	return &k->claims[k->n++];
}

static int check_template(const struct inst *in, const struct check *k, const struct ve_conf *to,
			  struct err *e)
{
	const char *name = *to->ostemplate ? to->ostemplate : in->conf.def_ostemplate;
	struct template t;

	if (!*name)
		return err_set(e, EINVAL, VZ_NO_TEMPLATE_GIVEN, "create: no template given; add --ostemplate NAME");
	return store_find(&k->store, name, &t, e) < 0 ? err_exit(e, VZ_NO_TEMPLATE) : 0;
}

static int check_row(const struct inst *in, struct check *k, size_t i, const struct ve_conf *to,
		     struct err *e)
{
	uint32_t id = k->b->ids[i];
	int r = refuse_conf(in, to, e);

	if (r >= 0)
		r = check_template(in, k, to, e);
	(void)str_fmt(claim(k, i)->what, sizeof(k->claims->what), "number %u", id);
	if (!k->b->resumed && r >= 0 && reg_exists(in, id))
		r = err_set(e, EEXIST, VZ_PRIVATE_EXISTS, "create: VE %u already exists", id);
	if (r >= 0 && *to->name) {
		(void)str_fmt(claim(k, i)->what, sizeof(k->claims->what), "name %s", to->name);
		r = check_name(in, to->name, id, e);
	}
	for (unsigned n = 0; n < to->ips.n && r >= 0; n++) {
		char text[IPADDR_STRLEN];

		if (!to->ips.a[n].family)       /* auto: chosen when it is made */
			continue;
		format_ip_host(&to->ips.a[n], text);
		(void)str_fmt(claim(k, i)->what, sizeof(k->claims->what), "address %s", text);
		r = check_ip(k->ip_dir, &to->ips.a[n], id, e);
	}
	return r;
}

int batch_check(const struct inst *in, const struct batch *b, struct err *e)
{
	_free_ struct ve_change *change = xcalloc(1, sizeof(*change));
	struct check k = { .b = b, .store = STORE_INIT };
	_fd_ int dir = -1;
	size_t i;
	int r = fs_open_dir(in->lib, "ip", &dir, e);

	k.ip_dir = dir;
	if (r >= 0)
		r = store_open(in->lib, in->run, &k.store, e);
	for (i = 0; i < b->n && r >= 0; i++) {
		r = batch_change(b, i, change, e);
		if (r >= 0)
			r = check_row(in, &k, i, &change->to, e);
	}
	if (r >= 0)
		r = twice(k.claims, k.n, b, e);
	free(k.claims);
	store_close(&k.store);
	return r;
}

/* ---- the record ---- */

int batch_record(const struct inst *in, const struct batch *b, struct err *e)
{
	struct json_out *j = json_new(false);
	const char *text;
	char path[64], id[16];
	size_t i;
	int r;

	json_object(j);
	json_key(j, "ids");
	json_array(j);
	for (i = 0; i < b->n; i++) {
		(void)str_fmt(id, sizeof(id), "%u", b->ids[i]);
		json_str(j, id);
	}
	json_end(j);
	json_end(j);
	record_path(b, path);
	r = json_finish(j, &text, e);
	if (r >= 0)
		r = fs_mkdir_p(in->lib, "batch", 0700, e);
	if (r >= 0)
		r = fs_save_at(in->lib, path, text, 0600, e);
	json_free(j);
	return r;
}

void batch_forget(const struct inst *in, const struct batch *b)
{
	char path[64];

	record_path(b, path);
	fs_unlink_saved(in->lib, path);
}
