/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/stream-head.h"

#include <errno.h>
#include <string.h>

#include "templates/manifest.h"
#include "templates/store.h"
#include "util/exits.h"
#include "util/json.h"
#include "util/str.h"
#include "ve/conf.h"
#include "ve/registry.h"

#define DISK_MIN (UINT64_C(1) << 20)
#define DISK_MAX (UINT64_C(64) << 40)
#define IMAGE_MAX (UINT64_C(64) << 30)

int stream_put_head(struct stream *s, const struct stream_head *h, const char *conf, struct err *e)
{
	struct json_out *j = json_new(false);
	const char *text;
	int r;

	json_object(j);
	json_ku64(j, "id", h->id);
	json_kstr(j, "from", h->from);
	json_kstr(j, "template", h->template);
	json_ku64(j, "disk", h->disk);
	json_ku64(j, "image", h->image);
	json_kbool(j, "session", h->session);
	json_kbool(j, "left", h->left);
	json_kstr(j, "token", h->token);
	json_kstr(j, "conf", conf);
	json_end(j);
	r = json_finish(j, &text, e);
	if (!r)
		r = stream_put(s, 'H', text, strlen(text), e);
	json_free(j);
	return r;
}

/* Whose numbers, paths and pool these are depends on the host. */
static void forget_host(struct ve_conf *c)
{
	static const char *const keys[] = { "LOCAL_UID", "LOCAL_GID", "VE_ROOT", "VE_PRIVATE" };
	struct ve_conf none = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		param_copy(param_by_key(keys[i]), c, &none);
}

static int bad(struct err *e, const char *what)
{
	return err_set(e, EBADMSG, VZ_BAD_VALUE, "read the stream: its head has no good %s", what);
}

static int take_words(const struct json_val *v, struct stream_head *h, struct err *e)
{
	const char *from = json_get_str(v, "from", ""), *digest = json_get_str(v, "template", "");
	const char *token = json_get_str(v, "token", "");

	if (!str_is_word(from, ".-_") || str_fmt(h->from, sizeof(h->from), "%s", from) < 0)
		return bad(e, "sender");
	if (!manifest_hex_ok(digest, DIGEST_LEN))
		return bad(e, "template version");
	if (*token && !manifest_hex_ok(token, STREAM_TOKEN_LEN))
		return bad(e, "token");
	(void)str_fmt(h->template, sizeof(h->template), "%s", digest);
	(void)str_fmt(h->token, sizeof(h->token), "%s", token);
	return 0;
}

static int take(const struct json_val *v, struct stream_head *h, struct err *e)
{
	const char *conf = json_get_str(v, "conf", "");
	uint64_t id = json_get_u64(v, "id", 0);
	int r;

	if (id < VEID_MIN || id > VEID_MAX)
		return bad(e, "number");
	h->id = (uint32_t)id;
	h->disk = json_get_u64(v, "disk", 0);
	h->image = json_get_u64(v, "image", 0);
	h->session = json_get_bool(v, "session", false);
	h->left = json_get_bool(v, "left", false);
	if (h->disk < DISK_MIN || h->disk > DISK_MAX || h->disk % 512)
		return bad(e, "size of the disk");
	if (h->image > IMAGE_MAX)
		return bad(e, "size of the template");
	r = take_words(v, h, e);
	if (!r && h->session && !*h->token)
		r = bad(e, "token");
	if (!r)
		r = conf_parse(conf, strlen(conf), "the config in the stream", &h->conf, e);
	if (r < 0)
		return r;
	if (!str_eq(h->conf.template, h->template))
		return bad(e, "config for its template version");
	forget_host(&h->conf);
	return 0;
}

int stream_get_head(struct stream *s, struct stream_head *ret, struct err *e)
{
	struct json_val *v = NULL;
	struct frame f;
	int r = stream_get(s, &f, e);

	if (!r && f.kind != 'H')
		r = bad(e, "beginning");
	if (!r)
		r = json_parse((const char *)f.data, f.len, "the head of the stream", &v, e);
	*ret = (struct stream_head){ 0 };
	if (!r)
		r = take(v, ret, e);
	json_val_free(v);
	return r;
}
