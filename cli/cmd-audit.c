/* SPDX-License-Identifier: GPL-2.0-or-later */
/* audit: what was done to the instance and by whom, and whether the log of it is whole. */
#include "cli/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/out.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/audit.h"

/* ---- writing, after every verb but these, which only look ---- */

static const char *const lookers[] = {
	"status", "stat", "traffic", "outdated", "snapshot list", "logs", "events", "list", "top",
	"node", "metrics", "pool list", "pool show", "template list", "template show",
	"template verify", "network list", "network show", "network ptr", "fence list", "backup list", "host check", "help",
	"audit list", "audit verify", "quotaon", "quotaoff", "quotainit", "convert",
};

#define WORDS 64

static bool only_looks(const struct command *cmd)
{
	for (size_t i = 0; i < ARRAY_SIZE(lookers); i++)
		if (str_eq(cmd->name, lookers[i]))
			return true;
	/* berth's own: _exited and the like */
	return *cmd->name == '_' || *cmd->name == '-' || !(cmd->flags & CMD_ROOT);
}

/* --userpasswd, which may be abbreviated; not --user-script. */
static bool is_secret(const char *arg)
{
	return str_starts(arg, "--u") && !str_starts(arg, "--user-") && !str_starts(arg, "--user_");
}

/* The command line less passwords. */
static void collect(char *const *argv, const char **words)
{
	bool secret = false;
	unsigned n = 0;

	for (; *argv && n < WORDS - 1; argv++) {
		const char *word = is_secret(*argv) && strchr(*argv, '=') ? "--userpasswd=***" : *argv;

		words[n++] = secret ? "***" : word;
		secret = is_secret(*argv) && !strchr(*argv, '=');
	}
	words[n] = NULL;
}

int audit_start(struct cli *c, const char *verb, struct err *e)
{
	const char *words[WORDS] = { NULL };
	unsigned n = 0;

	collect(c->argv + 1, words);
	while (n < WORDS - 2 && words[n])
		n++;
	words[n] = "started";
	words[n + 1] = NULL;
	return audit_add(&c->in, verb, words, 0, e);
}

/* Of what is run inside only where: its arguments are the tenant's. */
void audit_verb(struct cli *c, const struct command *cmd, const struct args *a, int exit)
{
	const char *words[WORDS] = { NULL };
	struct err e = ERR_INIT;
	char id[16];

	if (only_looks(cmd))
		return;
	if (cmd->flags & CMD_ENTERS && cmd->flags & CMD_VE && a->n_ids) {
		(void)str_fmt(id, sizeof(id), "%u", a->ids[0]);
		words[0] = id;
	} else {
		collect(c->argv + 1, words);
	}
	if (audit_add(&c->in, cmd->name, words, exit, &e) < 0)
		out_warn(c, "%s", e.msg);
}

/* ---- reading ---- */

static void line_json(void *arg, const char *line)
{
	bool *first = arg;

	out_printf("%s\n  %s", *first ? "[" : ",", line);
	*first = false;
}

static void line_text(void *arg, const char *line)
{
	struct err ignored = ERR_INIT;
	struct json_val *v = NULL;
	const struct json_val *words;
	char when[32] = "";
	struct tm tm;
	time_t t;

	(void)arg;
	if (json_parse(line, strlen(line), "audit.jsonl", &v, &ignored) < 0)
		return;
	t = (time_t)(json_get_u64(v, "time", 0) / 1000000);
	if (gmtime_r(&t, &tm))
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	words = json_get(v, "args");
	out_printf("%s uid %" PRIu64 " exit %-3" PRIu64 " ", when,
		   json_get_u64(v, "login_uid", json_get_u64(v, "uid", 0)),
		   json_get_u64(v, "exit", 0));
	out_safe(json_get_str(v, "verb", "?"));
	out_printf(":");
	for (size_t i = 0; i < json_len(words); i++) {
		const char *word = json_string(json_at(words, i));

		out_printf(" ");
		out_safe(word ? word : "?");
	}
	out_printf("\n");
	json_val_free(v);
}

int cmd_audit_list(struct cli *c, const struct args *a, struct err *e)
{
	bool first = true;
	int r = audit_each(&c->in, c->json ? line_json : line_text, &first, e);

	(void)a;
	if (r >= 0 && c->json)
		out_printf(first ? "[]\n" : "\n]\n");
	return r;
}

static int verify_json(const struct audit_check *ck, struct err *e)
{
	struct json_out *j = json_new(true);

	json_object(j);
	json_kbool(j, "whole", !ck->bad_line && ck->found);
	json_ku64(j, "lines", ck->lines);
	json_ku64(j, "torn", ck->torn);
	json_kstr(j, "hash", ck->last);
	json_end(j);
	return out_json(j, e);
}

int cmd_audit_verify(struct cli *c, const struct args *a, struct err *e)
{
	const char *expect = a->n_words ? a->words[0] : NULL;
	struct audit_check ck;
	int r;

	if (expect && (strlen(expect) != AUDIT_HASH ||
		       strspn(expect, "0123456789abcdef") != AUDIT_HASH))
		return err_set(e, EINVAL, VZ_BAD_VALUE,
			       "audit verify: \"%.70s\" is not a hash of 64 hex digits", expect);
	r = audit_verify(&c->in, expect, &ck, e);
	if (r < 0)
		return r;
	if (ck.bad_line)
		return err_set(e, EBADMSG, VZ_VALIDATION,
			       "audit log: line %" PRIu64 " does not follow from the one before it",
			       ck.bad_line);
	if (!ck.found)
		return err_set(e, EBADMSG, VZ_VALIDATION,
			       "audit log: no line has the hash %.12s...: its end was cut off", expect);
	if (c->json)
		return verify_json(&ck, e);
	out_printf("%" PRIu64 " lines, %" PRIu64 " torn, chain whole, last hash %s\n", ck.lines,
		   ck.torn, ck.last);
	return 0;
}
