/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What reads VEs of other tools. The first byte of an input chooses: o, p, l a config of OpenVZ,
 * Proxmox or LXC, i a YAML of Incus, g whose config it is, c an archive. What is made of a config
 * is one that a file of ours can hold and that is read again to the same.
 */
#include "ve/foreign.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "templates/source.h"
#include "templates/yaml.h"
#include "tests/fuzz/replay.h"
#include "util/cleanup.h"
#include "util/str.h"
#include "ve/conf.h"
#include "ve/netif.h"

static void check_error(const struct err *e)
{
	if (!e->msg[0] || str_has_c0(e->msg))
		abort();
}

static void check_notes(const struct foreign *f)
{
	for (size_t i = 0; i < f->n_notes; i++) {
		const struct foreign_note *n = &f->note[i];

		if (n->fate >= _FATE_MAX || (n->fate == FATE_LOST) != !*n->now ||
		    (n->fate == FATE_MAPS) != !*n->why || !*n->key)
			abort();
	}
}

static void check_conf(const struct foreign *f)
{
	_free_ struct ve_conf *again = calloc(1, sizeof(*again));
	_free_ char *text = NULL;
	struct err e = ERR_INIT;

	if (!again || conf_format("", &f->conf, &text, &e) < 0)
		return;
	if (conf_parse(text, strlen(text), "output", again, &e) < 0)
		abort();
	for (size_t i = 0; i < n_params; i++)
		if (params[i].key && !param_same(&params[i], &f->conf, again))
			abort();
}

/* No stranger chooses what of the host a link gets, nor what is filtered. */
static void check_links(const struct foreign *f)
{
	struct netif_list all = { 0 };
	const char *want;

	if (netif_parse(f->conf.netif, &all, &want) < 0 || *f->conf.network)
		abort();
	for (unsigned i = 0; i < all.n; i++) {
		const struct netif *n = &all.a[i];

		if (*n->device || *n->network || *n->host_ifname || n->has_host_mac ||
		    n->mac_open || n->ip_open || n->n_allow || *n->other)
			abort();
	}
}

static void fuzz_config(enum foreign_tool t, const char *text, size_t len)
{
	_free_ struct foreign *f = calloc(1, sizeof(*f));
	struct err e = ERR_INIT;

	if (!f)
		return;
	f->has_root = len % 2;
	f->other_net = len % 3 == 0;
	if (foreign_read(t, text, len, f, &e) < 0) {
		check_error(&e);
	} else {
		check_conf(f);
		check_links(f);
	}
	check_notes(f);
	foreign_free(f);
}

struct list {
	char *text;
	size_t len;
};

static int put(void *arg, const char *path, const char *value, struct err *e)
{
	struct list *l = arg;
	size_t p = strlen(path) + 1, v = strlen(value) + 1;
	char *more = realloc(l->text, l->len + p + v);

	(void)e;
	if (!more)
		abort();
	if (p > YAML_PATH_MAX || str_has_control(path))
		abort();
	l->text = more;
	memcpy(more + l->len, path, p);
	memcpy(more + l->len + p, value, v);
	l->len += p + v;
	return 0;
}

static void fuzz_yaml(const char *text, size_t len)
{
	struct list l = { NULL, 0 };
	struct err e = ERR_INIT;

	if (yaml_each(text, len, put, &l, &e) < 0)
		check_error(&e);
	else if (l.text)
		fuzz_config(FOREIGN_INCUS, l.text, l.len);
	free(l.text);
}

static void fuzz_archive(const char *data, size_t size)
{
	_fd_ int in = memfd_create("in", MFD_CLOEXEC), out = memfd_create("out", MFD_CLOEXEC);
	struct err e = ERR_INIT;

	if (in < 0 || out < 0 || (size && pwrite(in, data, size, 0) != (ssize_t)size))
		abort();
	if (source_look(in, out, &e) < 0)
		check_error(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_free_ char *text = size ? malloc(size) : NULL;

	if (!text)
		return 0;
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (data[0]) {
	case 'o':
		fuzz_config(FOREIGN_OPENVZ, text, strlen(text));
		break;
	case 'p':
		fuzz_config(FOREIGN_PCT, text, strlen(text));
		break;
	case 'l':
		fuzz_config(FOREIGN_LXC, text, strlen(text));
		break;
	case 'i':
		fuzz_yaml(text, size - 1);
		break;
	case 'g':
		(void)foreign_guess(text);
		break;
	case 'c':
		fuzz_archive(text, size - 1);
		break;
	default:
		break;
	}
	return 0;
}
