/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/xalloc.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/str.h"
#include "ve/ptypes.h"

/* Where the parser stands. */
struct scan {
	const struct command *cmd;
	char **argv;
	int argc, i;
	struct args *a;
	struct err *e;
};

static unsigned n_opts(const struct opt *o)
{
	unsigned n = 0;

	while (o && o[n].name)
		n++;
	return n;
}

bool opt_next(const struct command *cmd, unsigned *pos, struct spelling *ret)
{
	unsigned common = n_opts(common_opts), own = n_opts(cmd->opts);
	unsigned rows = common + own + (cmd->flags & CMD_PARAMS ? (unsigned)n_params : 0);

	for (; *pos < 2 * rows; (*pos)++) {
		unsigned row = *pos / 2;
		bool alias = *pos % 2;

		*ret = (struct spelling){ 0 };
		if (row < common)
			ret->opt = &common_opts[row];
		else if (row < common + own)
			ret->opt = &cmd->opts[row - common];
		else
			ret->param = &params[row - common - own];
		if (ret->param)
			ret->name = alias ? ret->param->alias : ret->param->opt;
		else
			ret->name = alias ? ret->opt->alias : ret->opt->name;
		if (!ret->name || (ret->param && (ret->param->flags & P_HIDDEN ||
						  !param_is_of(ret->param, cmd->flags & CMD_POOL))))
			continue;
		(*pos)++;
		return true;
	}
	return false;
}

static char fold(char c)
{
	return c == '_' ? '-' : c;
}

static bool has_prefix(const char *name, const char *prefix, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!name[i] || fold(name[i]) != fold(prefix[i]))
			return false;
	return true;
}

/* "unknown option --rma: did you mean --ram?" */
static int unknown(const struct scan *s, const char *name, size_t len)
{
	char given[64];
	const char *best = NULL;
	unsigned pos = 0, d, best_d = 3;
	struct spelling sp;

	if (len >= sizeof(given))
		return err_set(s->e, EINVAL, VZ_BAD_OPTION, "%s: unknown option --%.60s...",
			       s->cmd->name, name);
	(void)str_fmt(given, sizeof(given), "%.*s", (int)len, name);
	while (opt_next(s->cmd, &pos, &sp)) {
		d = str_distance(given, sp.name);
		if (d < best_d) {
			best_d = d;
			best = sp.name;
		}
	}
	if (best)
		return err_set(s->e, EINVAL, VZ_BAD_OPTION,
			       "%s: unknown option --%s: did you mean --%s?", s->cmd->name, given,
			       best);
	return err_set(s->e, EINVAL, VZ_BAD_OPTION, "%s: unknown option --%s", s->cmd->name,
		       given);
}

static bool same_row(const struct spelling *a, const struct spelling *b)
{
	return a->opt == b->opt && a->param == b->param;
}

/* What Virtuozzo calls beancounters, some of which it has merged into one. */
static const struct { const char *name, *opt; } others[] = {
	{ "memory", "ram" },            { "rsspages", "physpages" },    { "anonshpages", "shmpages" },
	{ "ipcshpages", "shmpages" },   { "numsock", "numtcpsock" },    { "numunixsock", "numothersock" },
	{ "unixsockbuf", "othersockbuf" }, { "sockrcvbuf", "dgramrcvbuf" }, { "tcpsendbuf", "tcpsndbuf" },
	{ "totvmpages", "privvmpages" },
};

static bool find_other(const struct scan *s, const char *name, size_t len, struct spelling *ret)
{
	struct spelling sp;
	unsigned pos = 0;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		if (strlen(others[i].name) != len || !has_prefix(others[i].name, name, len))
			continue;
		while (opt_next(s->cmd, &pos, &sp))
			if (str_eq(sp.name, others[i].opt)) {
				*ret = sp;
				return true;
			}
	}
	return false;
}

static int find_long(const struct scan *s, const char *name, size_t len, struct spelling *ret)
{
	struct spelling sp, found = { 0 };
	const char *second = NULL;
	unsigned pos = 0;

	while (opt_next(s->cmd, &pos, &sp)) {
		if (!has_prefix(sp.name, name, len))
			continue;
		if (strlen(sp.name) == len) {
			*ret = sp;
			return 0;
		}
		/* An exact spelling may still follow; remember that two rows fit. */
		if (found.name && !same_row(&found, &sp))
			second = sp.name;
		if (!found.name)
			found = sp;
	}
	if (second)
		return err_set(s->e, EINVAL, VZ_BAD_OPTION,
			       "%s: option --%.*s is ambiguous: --%s or --%s?", s->cmd->name,
			       (int)len, name, found.name, second);
	if (!found.name && len && find_other(s, name, len, ret))
		return 0;
	if (!found.name || !len)
		return unknown(s, name, len);
	*ret = found;
	return 0;
}

/* Options that add up when given again: the earlier text is put before the new one. */
static bool adds_up(const struct param *p)
{
	return p->type == &ptype_marks || p->type == &ptype_ips || p->type == &ptype_addrs ||
	       str_eq(p->opt, "searchdomain");
}

/* The value alone is parsed first, so that an error names what was given just now. */
static int set_param(struct args *a, const struct spelling *sp, const char *value, struct err *e)
{
	const struct param *p = sp->param;
	bool as_file = p->flags & P_ALIAS_FILE && sp->name == p->alias;
	struct ve_conf *one = xcalloc(1, sizeof(*one));
	char old[4096], text[8192];
	int r = param_parse(p, value, as_file, one, e);

	if (r >= 0 && adds_up(p) && conf_has(&a->change.to, p)) {
		r = param_format(p, &a->change.to, false, old, sizeof(old));
		if (r >= 0)
			r = str_fmt(text, sizeof(text), "%s %s", old, value);
		*one = (struct ve_conf){ 0 };
		r = r < 0 ? err_set(e, E2BIG, VZ_BAD_VALUE, "--%s: value too long", p->opt) :
			    param_parse(p, text, false, one, e);
	}
	if (r >= 0)
		param_copy(p, &a->change.to, one);
	free(one);
	return r < 0 ? r : 0;
}

static int set_number(const struct opt *o, void *field, const char *value, struct err *e)
{
	if (parse_u64(value, o->min, o->max, field) < 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE,
			       "--%s: \"%s\" is not a number from %llu to %llu", o->name, value,
			       (unsigned long long)o->min, (unsigned long long)o->max);
	return 0;
}

static int set_opt(const struct scan *s, const struct opt *o, const char *value)
{
	void *field = (char *)s->a + o->off;

	switch (o->kind) {
	case OPT_FLAG:
		*(bool *)field = true;
		return 0;
	case OPT_COUNT:
		++*(uint64_t *)field;
		return 0;
	case OPT_TEXT:
		*(const char **)field = value;
		return 0;
	case OPT_MAYBE:
		*(uint64_t *)field = o->def;
		return value ? set_number(o, field, value, s->e) : 0;
	case OPT_NUMBER:
		return set_number(o, field, value, s->e);
	case OPT_TAKE:
		return o->take(s->a, value, s->e);
	case OPT_REST:
	case OPT_IGNORE:
		return 0;
	}
	return 0;
}

static bool wants_value(const struct opt *o)
{
	return o->kind == OPT_TEXT || o->kind == OPT_NUMBER || o->kind == OPT_TAKE;
}

static int missing(const struct scan *s, const char *name)
{
	return err_set(s->e, EINVAL, VZ_BAD_OPTION, "%s: option %s needs a value", s->cmd->name,
		       name);
}

static void add_word(struct args *a, const char *word)
{
	a->words[a->n_words++] = word;
}

static void take_rest(struct scan *s)
{
	while (s->i < s->argc)
		add_word(s->a, s->argv[s->i++]);
}

/* The value after the option, in the same word or the next. */
static int next_value(struct scan *s, const char **value)
{
	if (*value)
		return 0;
	if (s->i >= s->argc)
		return missing(s, s->argv[s->i - 1]);
	*value = s->argv[s->i++];
	return 0;
}

static int parse_opt(struct scan *s, const struct opt *o, const char *value)
{
	if (wants_value(o)) {
		int r = next_value(s, &value);

		return r < 0 ? r : set_opt(s, o, value);
	}
	if (value && o->kind != OPT_MAYBE)
		return err_set(s->e, EINVAL, VZ_BAD_OPTION, "%s: option --%s takes no value",
			       s->cmd->name, o->name);
	if (o->kind == OPT_REST)
		take_rest(s);
	return set_opt(s, o, value);
}

/* Filled in and parsed for each VE of a create of many (cli/batch.h). */
static int add_pattern(struct args *a, const struct param *p, const char *text, struct err *e)
{
	if (a->n_patterns == MAX_PATTERNS)
		return err_set(e, E2BIG, VZ_BAD_OPTION, "--%s: more than %d options with {n} or {id}", p->opt,
			       MAX_PATTERNS);
	a->pattern[a->n_patterns++] = (struct pattern){ p, text };
	return 0;
}

static int parse_long(struct scan *s)
{
	const char *text = s->argv[s->i++] + 2, *value = strchr(text, '=');
	size_t len = value ? (size_t)(value - text) : strlen(text);
	struct spelling sp = { 0 };
	int r = find_long(s, text, len, &sp);

	if (r < 0)
		return r;
	if (value)
		value++;
	if (sp.opt)
		return parse_opt(s, sp.opt, value);
	r = next_value(s, &value);
	if (r < 0)
		return r;
	if (s->cmd->flags & CMD_NEW && (strstr(value, "{n}") || strstr(value, "{id}")))
		return add_pattern(s->a, sp.param, value, s->e);
	return set_param(s->a, &sp, value, s->e);
}

static const struct opt *find_letter(const struct command *cmd, char letter)
{
	unsigned pos = 0;
	struct spelling sp;
	const struct opt *found = NULL;

	/* A verb's own letter goes before the common one: list has a -h of its own. */
	while (opt_next(cmd, &pos, &sp))
		if (sp.opt && sp.opt->letter == letter)
			found = sp.opt;
	return found;
}

/* -HS, -octid, -o ctid */
static int parse_short(struct scan *s)
{
	const char *p = s->argv[s->i++] + 1;
	int r;

	for (; *p; p++) {
		const struct opt *o = find_letter(s->cmd, *p);
		char name[3] = { '-', *p, '\0' };

		if (!o)
			return err_set(s->e, EINVAL, VZ_BAD_OPTION, "%s: unknown option %s",
				       s->cmd->name, name);
		if (!wants_value(o)) {
			r = set_opt(s, o, NULL);
			if (r < 0)
				return r;
			continue;
		}
		if (p[1])
			return set_opt(s, o, p + 1);
		if (s->i >= s->argc)
			return missing(s, name);
		return set_opt(s, o, s->argv[s->i++]);
	}
	return 0;
}

int opt_parse(const struct command *cmd, int argc, char **argv, struct args *a, struct err *e)
{
	struct scan s = { cmd, argv, argc, 0, a, e };
	int r = 0;

	a->words = xcalloc((size_t)argc + 1, sizeof(*a->words));
	while (r >= 0 && s.i < argc) {
		const char *word = argv[s.i];

		if (str_eq(word, "--")) {
			s.i++;
			take_rest(&s);
		} else if (str_starts(word, "--")) {
			r = parse_long(&s);
		} else if (word[0] == '-' && word[1]) {
			r = parse_short(&s);
		} else {
			add_word(a, word);
			s.i++;
			/* What follows the ID of exec belongs to the command, one "--" aside. */
			if (cmd->flags & CMD_RAW) {
				if (s.i < argc && str_eq(argv[s.i], "--") &&
				    cmd->flags & CMD_VE)
					s.i++;
				take_rest(&s);
			}
		}
	}
	return r < 0 ? r : netif_args_check(a, e);
}

void args_done(struct args *a)
{
	free(a->words);
	free(a->ids);
	free(a->ssh_keys);
	free(a->user_script);
	a->words = NULL;
	a->ids = NULL;
}

int take_ipdel(struct args *a, const char *value, struct err *e)
{
	struct ip_list *l = &a->change.ip_del;
	char word[IPADDR_STRLEN];
	int r;

	while ((r = str_word(&value, word, sizeof(word))) > 0) {
		if (str_eq(word, "all")) {
			a->change.ip_del_all = true;
			continue;
		}
		if (l->n >= VE_MAX_IPS)
			return err_set(e, E2BIG, VZ_BAD_IP, "--ipdel: more than %d addresses",
				       VE_MAX_IPS);
		if (parse_ip(word, &l->a[l->n]) < 0)
			return err_set(e, EINVAL, VZ_BAD_VALUE,
				       "--ipdel: \"%s\" is neither an address nor \"all\"", word);
		l->n++;
	}
	if (r < 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--ipdel: not an address");
	return 0;
}

int take_userpasswd(struct args *a, const char *value, struct err *e)
{
	const char *colon = strchr(value, ':');

	/* The value is a secret: it appears in no text. */
	if (!colon || colon == value || !colon[1])
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--userpasswd: not of the form USER:PASSWORD");
	if (a->change.userpasswd)
		return err_set(e, EINVAL, VZ_BAD_OPTION, "--userpasswd: given more than once");
	a->change.userpasswd = value;
	return 0;
}

int take_deadline(struct args *a, const char *value, struct err *e)
{
	uint64_t ms;

	if (parse_duration(value, 1, 3600000, &ms) < 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE,
			       "--deadline: \"%.40s\" is not a time from 1ms to 1h, such as 10s", value);
	a->change.patience_ms = (unsigned)ms;
	return 0;
}

static int take_time(const char *opt, const char *value, uint64_t max_ms, uint64_t *ret,
		     struct err *e)
{
	if (parse_duration(value, 1, max_ms, ret) < 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE,
			       "--%s: \"%.40s\" is not a time from 1ms to %lluh, such as 30s", opt, value,
			       (unsigned long long)(max_ms / 3600000));
	return 0;
}

int take_freeze(struct args *a, const char *value, struct err *e)
{
	return take_time("freeze", value, 3600000, &a->freeze_ms, e);
}

int take_check_time(struct args *a, const char *value, struct err *e)
{
	return take_time("check-time", value, 24 * UINT64_C(3600000), &a->check_ms, e);
}

int take_for(struct args *a, const char *value, struct err *e)
{
	return take_time("for", value, 24 * UINT64_C(3600000), &a->for_ms, e);
}

int take_keep(struct args *a, const char *value, struct err *e)
{
	return take_time("keep", value, 8760 * UINT64_C(3600000), &a->keep_ms, e);
}

int take_config(struct args *a, const char *value, struct err *e)
{
	if (!str_is_word(value, "._-"))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "\"%s\" is not the name of a plan", value);
	a->change.applyconfig = value;
	return 0;
}
