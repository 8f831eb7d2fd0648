/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the config of the VE says about names and addresses: written and set here, from inside,
 * by the same code that does it for containers from outside (netns/guestconf.h). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netns/guestconf.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/parse.h"
#include "vm/guest/guest.h"

struct setup {
	struct net_link links[LINKS];
	size_t n_links;
	const char *hostname, *nameserver, *search;
	bool no_files;
};

static int bad(struct err *e)
{
	return err_set(e, EINVAL, VZ_BAD_IP, "configure a link: bad request");
}

static int add_address(const char *text, struct ipaddr *list, size_t *n, size_t max, struct err *e)
{
	if (*n == max || parse_ip(text, &list[*n]) < 0)
		return bad(e);
	(*n)++;
	return 0;
}

static int put_gateway(const char *text, struct ipaddr gw[2], struct err *e)
{
	struct ipaddr a;

	if (parse_ip(text, &a) < 0)
		return bad(e);
	gw[a.family == AF_INET6] = a;
	return 0;
}

static int take_link_word(struct net_link *l, char letter, const char *word, struct err *e)
{
	switch ((enum agent_setup)letter) {
	case SETUP_MAC:
		return parse_mac(word, l->mac) < 0 ? bad(e) : 0;
	case SETUP_ROUTED:
		l->routed = true;
		return 0;
	case SETUP_ADDRESS:
		return add_address(word, l->have, &l->n_have, LINK_ADDRS, e);
	case SETUP_REMOVE:
		return add_address(word, l->lose, &l->n_lose, LINK_ADDRS, e);
	case SETUP_NETWORK:
		return add_address(word, l->nets, &l->n_nets, LINK_NETS, e);
	case SETUP_GATEWAY:
		return put_gateway(word, l->gateway, e);
	case SETUP_VIA:
		return put_gateway(word, l->via, e);
	default:
		return 0;       /* of a newer host: it knows from our version what we know */
	}
}

static int take_word(struct setup *s, char letter, const char *word, struct err *e)
{
	switch ((enum agent_setup)letter) {
	case SETUP_HOSTNAME:
		s->hostname = word;
		return 0;
	case SETUP_NAMESERVER:
		s->nameserver = word;
		return 0;
	case SETUP_SEARCH:
		s->search = word;
		return 0;
	case SETUP_NO_FILES:
		s->no_files = true;
		return 0;
	case SETUP_LINK:
		if (s->n_links == LINKS || strlen(word) > 15)
			return bad(e);
		s->links[s->n_links++].name = word;
		return 0;
	default:
		return s->n_links ? take_link_word(&s->links[s->n_links - 1], letter, word, e) : 0;
	}
}

static int write_files(const struct setup *s, struct err *e)
{
	struct guest_link links[LINKS];
	struct guest_conf g = { .hostname = s->hostname, .nameservers = s->nameserver,
				.searchdomain = s->search, .links = links, .n_links = s->n_links };
	_fd_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return err_sys(e, "open the root of the VE");
	for (size_t i = 0; i < s->n_links; i++) {
		const struct net_link *l = &s->links[i];

		links[i] = (struct guest_link){ .name = l->name, .addrs = l->have, .n_addrs = l->n_have,
						.routed = l->routed,
						.gateway = { l->gateway[0], l->gateway[1] } };
	}
	g.root = root;
	return guest_write(&g, e);
}

static int apply(const struct setup *s, struct err *e)
{
	int r = 0;

	link_loopback();
	for (size_t i = 0; !r && i < s->n_links; i++)
		r = link_set(&s->links[i], e);
	if (r < 0)
		return r;
	if (s->hostname && sethostname(s->hostname, strlen(s->hostname)) < 0)
		return err_sys(e, "set the host name");
	return s->no_files ? 0 : write_files(s, e);
}

int setup_apply(const char *body, size_t len, struct err *e)
{
	struct setup *s = calloc(1, sizeof(*s));
	const char *word;
	size_t pos = 0;
	char letter;
	int r = s ? 0 : err_set(e, ENOMEM, 0, "configure: out of memory");

	while (!r && (word = agent_word(body, len, &pos, &letter)))
		r = take_word(s, letter, word, e);
	if (!r)
		r = apply(s, e);
	free(s);
	return r;
}

int setup_password(const char *body, size_t len, struct err *e)
{
	const char *user = NULL, *password = NULL, *word;
	struct guest_conf g = { 0 };
	_fd_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	size_t pos = 0;
	char letter;

	while ((word = agent_word(body, len, &pos, &letter))) {
		user = letter == 'u' ? word : user;
		password = letter == 'p' ? word : password;
	}
	if (root < 0 || !user || !password)
		return err_set(e, EINVAL, VZ_PASSWD, "set a password: incomplete request");
	g.root = root;
	return guest_set_password(&g, user, password, e);
}
