/* SPDX-License-Identifier: GPL-2.0-or-later */
/* send, receive: a VE as a stream; migrate: to another host, also as vzmigrate. */
#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/ids.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/receive.h"
#include "cli/template.h"
#include "cli/xalloc.h"
#include "templates/sign.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/migrate.h"
#include "ve/moved.h"
#include "ve/receive.h"
#include "ve/send.h"

static void sent(void *arg, uint64_t done, uint64_t all)
{
	char line[80];

	(void)str_fmt(line, sizeof(line), "%llu of %llu MiB", (unsigned long long)(done >> 20),
		      (unsigned long long)(all >> 20));
	progress_line(arg, line);
}

int cmd_send(struct cli *c, const struct args *a, struct err *e)
{
	struct progress p;
	struct send_opts o = { .live = a->live, .no_image = a->no_image, .progress = sent, .arg = &p,
			       .freeze_ms = (int)a->freeze_ms };
	int r;

	if (isatty(STDOUT_FILENO))
		return err_set(e, EINVAL, VZ_BAD_OPTION,
			       "send: the stream is nothing for a terminal (berth send %u >FILE)", a->ids[0]);
	c->in.say = NULL;
	progress_init(&p, c);
	r = ve_send(&c->in, a->ids[0], &o, STDOUT_FILENO, e);
	progress_done(&p);
	return r;
}

/* ---- receive ---- */

static void told(void *arg, const char *line)
{
	out_warn(arg, "receive: %s", line);
}

int receive_from(struct cli *c, const struct args *a, const struct receive_opts *how, int fd,
		 uint32_t *ret_id, struct err *e)
{
	_free_ const char *unpack = NULL, *sign = NULL;
	_fd_ int keys = template_keys(c);
	struct sign_policy policy = { .keys = keys, .require = c->in.conf.template_signature };
	struct progress p;
	struct receive_opts o = { .id = how->id, .own = how->own, .change = &a->change,
				  .trust = a->trust, .session = a->session, .sign = &policy,
				  .progress = sent, .arg = &p, .tell = told, .tell_arg = c };
	int r = inst_program(&c->in, "berth-unpack", &unpack, e);

	if (!r)
		r = inst_program(&c->in, "berth-sign", &sign, e);
	if (r < 0)
		return r;
	policy.program = sign;
	o.unpack = unpack;
	progress_init(&p, c);
	r = ve_receive(&c->in, &o, fd, STDOUT_FILENO, ret_id, e);
	progress_done(&p);
	return r;
}

static int verify(const struct cli *c, struct err *e)
{
	_free_ struct stream_head *h = xcalloc(1, sizeof(*h));
	int r = ve_stream_verify(STDIN_FILENO, h, e);

	if (!r && !c->quiet)
		out_printf("CT %u of %s, template version %.12s: whole\n", h->id, h->from, h->template);
	return r;
}

static int number(const struct args *a, uint32_t *ret, struct err *e)
{
	struct args one = { .n_ids = 0 };
	int r = a->n_words ? ids_new(&one, a->words[0], e) : 0;

	*ret = r >= 0 && one.n_ids ? one.ids[0] : 0;
	args_done(&one);
	return r;
}

static int tell(const struct cli *c, uint32_t id, struct err *e)
{
	struct json_out *j;

	if (!c->json)
		return 0;
	j = json_new(true);
	json_object(j);
	json_ku64(j, "ctid", id);
	json_end(j);
	return out_json(j, e);
}

int cmd_receive(struct cli *c, const struct args *a, struct err *e)
{
	struct receive_opts how = { .id = 0 };
	uint32_t made = 0;
	int r = number(a, &how.id, e);

	if (r < 0)
		return r;
	if (a->release)
		return how.id ? ve_take_back(&c->in, how.id, e) :
			    err_set(e, EINVAL, VZ_FEW_PARAMS, "receive: --release of which VE?");
	if (isatty(STDIN_FILENO))
		return err_set(e, EINVAL, VZ_BAD_OPTION,
			       "receive: a terminal is no stream (berth receive <FILE)");
	if (a->dry_run)
		return verify(c, e);
	if (a->session || c->json)
		c->in.say = NULL;               /* standard output is for the answers */
	r = receive_from(c, a, &how, STDIN_FILENO, &made, e);
	return r < 0 || a->session ? r : tell(c, made, e);
}

/* ---- migrate ---- */

#define SSH_WORDS 32

struct ssh {
	const char *argv[SSH_WORDS + 8];
	char *text;                     /* what the words of --ssh point into */
	char agent[256], home[256];
	const char *env[5];
};

/* Blanks divide the options, as vzmigrate has it; no shell looks at them. */
static int ssh_options(const char *options, struct ssh *s, size_t *n, struct err *e)
{
	char *w = s->text = xstrdup(options ? options : "");

	for (;;) {
		w += strspn(w, " \t");
		if (!*w)
			return 0;
		if (*n == SSH_WORDS)
			return err_set(e, E2BIG, VZ_BAD_VALUE, "--ssh: too many words");
		s->argv[(*n)++] = w;
		w += strcspn(w, " \t");
		if (*w)
			*w++ = '\0';
	}
}

static int ssh_make(const struct cli *c, const struct args *a, struct ssh *s, struct err *e)
{
	static const char *const there[] = { "berth", "receive", "--session", "--trust", NULL };
	const char *agent = getenv("SSH_AUTH_SOCK"), *home = getenv("HOME");
	const char *host = a->words[0];
	size_t n = 0, v = 0;
	int r;

	if (!str_is_word(host, ".-_@:%") || *host == '-' || strlen(host) > 64)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "migrate: \"%.60s\" is no name of a host",
			       str_has_control(host) ? "?" : host);
	s->argv[n++] = *c->in.conf.ssh ? c->in.conf.ssh : "/usr/bin/ssh";
	r = ssh_options(a->ssh, s, &n, e);
	s->argv[n++] = host;
	for (size_t i = 0; i < ARRAY_SIZE(there); i++)
		s->argv[n++] = there[i];
	s->env[v++] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	s->env[v++] = "LC_ALL=C";
	if (home && str_fmt(s->home, sizeof(s->home), "HOME=%s", home) > 0)
		s->env[v++] = s->home;
	if (agent && str_fmt(s->agent, sizeof(s->agent), "SSH_AUTH_SOCK=%s", agent) > 0)
		s->env[v++] = s->agent;
	s->env[v] = NULL;
	return r;
}

static int check_words(const struct cli *c, const struct args *a, bool *ret_keep, struct err *e)
{
	const char *remove = a->remove_area ? a->remove_area : "yes";

	*ret_keep = str_eq(remove, "no");
	if (!*ret_keep && !str_eq(remove, "yes"))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--remove-area \"%.20s\": want yes or no", remove);
	if (a->realtime)
		return err_set(e, EOPNOTSUPP, VZ_BAD_OPTION,
			       "--require-realtime: a VE stands still while it is moved");
	if (a->live)
		out_warn(c, "--online: a VE that runs is stopped, moved and started again");
	return 0;
}

/* "101,102" is what vzmigrate takes. */
static int migrate_ids(struct cli *c, const struct args *a, struct args *ids, struct err *e)
{
	char word[64];
	int r = 0;

	for (unsigned i = a->take_back ? 0 : 1; i < a->n_words && r >= 0; i++)
		for (const char *s = a->words[i]; r >= 0 && (r = str_word(&s, word, sizeof(word))) > 0;)
			r = ids_add(c, ids, word, e);
	if (r == -ENAMETOOLONG && !e->eno)
		r = err_set(e, EINVAL, VZ_BAD_VALUE, "migrate: a name is too long");
	if (r >= 0 && !ids->n_ids)
		r = err_set(e, EINVAL, VZ_FEW_PARAMS, "migrate: which VE?");
	return r < 0 ? r : 0;
}

/* vzmigrate has numbers of its own. */
static int vz_exit(const struct cli *c, int r, struct err *e)
{
	static const struct { int exit, vz; } numbers[] = {
		{ VZ_BAD_OPTION, 1 }, { VZ_BAD_VALUE, 1 }, { VZ_FEW_PARAMS, 1 },
		{ VZ_PRIVATE_EXISTS, 9 }, { VZ_NAME, 9 }, { VZ_NO_CONF, 10 }, { VZ_IP_IN_USE, 12 },
		{ VZ_LOCKED, 20 }, { VZ_MOUNTED, 8 }, { VZ_CANNOT_STOP, 8 }, { VZ_SYSTEM, 4 },
	};

	if (r >= 0 || !c->vz)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (e->exit == numbers[i].exit) {
			e->exit = numbers[i].vz;
			return r;
		}
	e->exit = 6;
	return r;
}

static int migrate_each(struct cli *c, const struct args *a, const struct args *ids, bool keep,
			struct err *e)
{
	struct ssh ssh = { .text = NULL };
	struct progress p;
	struct migrate_opts o = { .host = a->words[0], .argv = ssh.argv, .env = ssh.env, .keep = keep,
				  .no_start = a->no_start, .dry_run = a->dry_run,
				  .send = { .progress = sent, .arg = &p } };
	int r = ssh_make(c, a, &ssh, e);

	for (size_t i = 0; i < ids->n_ids && r >= 0; i++) {
		progress_init(&p, c);
		r = ve_migrate(&c->in, ids->ids[i], &o, e);
		progress_done(&p);
	}
	free(ssh.text);
	return r;
}

int cmd_migrate(struct cli *c, const struct args *a, struct err *e)
{
	struct args ids = { .n_ids = 0 };
	bool keep;
	int r = check_words(c, a, &keep, e);

	if (r >= 0)
		r = migrate_ids(c, a, &ids, e);
	for (size_t i = 0; a->take_back && r >= 0 && i < ids.n_ids; i++)
		r = ve_take_back(&c->in, ids.ids[i], e);
	if (r >= 0 && !a->take_back)
		r = migrate_each(c, a, &ids, keep, e);
	args_done(&ids);
	return vz_exit(c, r, e);
}
