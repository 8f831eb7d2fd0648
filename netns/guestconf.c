/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/guestconf.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "netns/guestfile.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define MAX_LABEL 63            /* RFC 1123, 2.1 */
#define MAX_HOSTNAME 64         /* the kernel's __NEW_UTS_LEN */
#define MAX_DOMAIN 253
#define MAX_RESOLV 65536

/* Labels of letters, digits and inner hyphens, separated by single dots. */
static bool is_domain(const char *s, size_t max)
{
	size_t len = strlen(s), label = 0;

	if (!len || len > max)
		return false;
	for (size_t i = 0; i <= len; i++) {
		if (s[i] == '.' || !s[i]) {
			if (!label || label > MAX_LABEL || s[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (!isascii(s[i]) || !(isalnum((unsigned char)s[i]) || (s[i] == '-' && label)))
			return false;
		label++;
	}
	return true;
}

bool guest_hostname_ok(const char *s)
{
	return is_domain(s, MAX_HOSTNAME);
}

/* The VE's first address, or 127.0.1.1 as Debian does for a host without a permanent one. */
static int write_hosts(const struct guest_conf *g, struct err *e)
{
	static const char fresh[] =
		"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
	_text_ struct text block = TEXT_INIT;
	char addr[IPADDR_STRLEN] = "127.0.1.1";
	size_t brief = strcspn(g->hostname, ".");

	for (size_t i = 0; i < g->n_links; i++)
		if (g->links[i].n_addrs) {
			format_ip_host(&g->links[i].addrs[0], addr);
			break;
		}
	text_addf(&block, "%s\t%s", addr, g->hostname);
	if (g->hostname[brief])
		text_addf(&block, " %.*s", (int)brief, g->hostname);
	text_addf(&block, "\n");
	return guest_put_block(g, "etc/hosts", fresh, &block, e);
}

static int write_hostname(const struct guest_conf *g, struct err *e)
{
	_text_ struct text t = TEXT_INIT;
	int r;

	if (!guest_hostname_ok(g->hostname))
		return err_set(e, EINVAL, VZ_BAD_HOSTNAME, "set hostname: not a valid host name");
	text_addf(&t, "%s\n", g->hostname);
	r = guest_put(g, "etc/hostname", &t, NULL, e);
	return r < 0 ? r : write_hosts(g, e);
}

/* A server on the host's own loopback (systemd-resolved's stub) is not the VE's. */
static bool is_loopback(const struct ipaddr *a)
{
	return a->family == AF_INET ? (ntohl(a->v4.s_addr) >> 24) == 127
				    : IN6_IS_ADDR_LOOPBACK(&a->v6);
}

/* What a resolver file shall say: one address or domain per word. */
struct resolver {
	struct text servers, domains;
};

static void resolver_free(struct resolver *r)
{
	text_free(&r->servers);
	text_free(&r->domains);
}

static int add_servers(struct resolver *r, const char *list, struct err *e)
{
	char word[IPADDR_STRLEN];
	struct ipaddr a;
	int n;

	if (str_has_control(list))
		return err_set(e, EINVAL, VZ_BAD_DNS, "nameserver: control character");
	while ((n = str_word(&list, word, sizeof(word))) > 0) {
		if (parse_ip(word, &a) < 0 || strchr(word, '/'))
			return err_set(e, EINVAL, VZ_BAD_DNS, "nameserver \"%s\": not an address",
				       word);
		format_ip_host(&a, word);
		text_addf(&r->servers, " %s", word);
	}
	return n < 0 ? err_set(e, EINVAL, VZ_BAD_DNS, "nameserver: not an address") : 0;
}

static int add_domains(struct resolver *r, const char *list, struct err *e)
{
	char word[MAX_DOMAIN + 1];
	int n;

	if (str_has_control(list))
		return err_set(e, EINVAL, VZ_BAD_SEARCH, "search domain: control character");
	while ((n = str_word(&list, word, sizeof(word))) > 0) {
		if (!is_domain(word, MAX_DOMAIN))
			return err_set(e, EINVAL, VZ_BAD_SEARCH, "search domain \"%s\": not valid",
				       word);
		text_addf(&r->domains, " %s", word);
	}
	return n < 0 ? err_set(e, EINVAL, VZ_BAD_SEARCH, "search domain: too long") : 0;
}

/* Usable servers of one resolv.conf of the host; unreadable means none. */
static void inherit_from(struct resolver *r, const char *path)
{
	_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct err e = ERR_INIT;
	_free_ char *text = NULL;
	char word[IPADDR_STRLEN];
	const char *s, *line;
	struct ipaddr a;
	size_t len;

	if (fd < 0 || fs_read_fd(fd, path, MAX_RESOLV, &text, &len, &e) < 0)
		return;
	for (s = text; (line = line_next(&s, &len));) {
		if (!line_is(line, len, "nameserver"))
			continue;
		line += strlen("nameserver");
		line += strspn(line, " \t");
		if (str_fmt(word, sizeof(word), "%.*s", (int)strcspn(line, " \t\n#;"), line) < 0 ||
		    parse_ip(word, &a) < 0 || is_loopback(&a))
			continue;
		text_addf(&r->servers, " %s", word);
	}
}

static void inherit(struct resolver *r)
{
	inherit_from(r, "/etc/resolv.conf");
	if (!r->servers.len)            /* behind systemd-resolved's stub */
		inherit_from(r, "/run/systemd/resolve/resolv.conf");
}

void guest_inherited_servers(char *dst, size_t size)
{
	_cleanup_(resolver_free) struct resolver r = { TEXT_INIT, TEXT_INIT };

	inherit(&r);
	if (str_fmt(dst, size, "%s", r.servers.p ? r.servers.p : "") < 0)
		dst[0] = '\0';
}

/* The file's other lines (options, sortlist) stay. */
static int write_resolv_conf(const struct guest_conf *g, const struct resolver *res, struct err *e)
{
	const char *list = res->servers.p, *s, *line;
	_text_ struct text t = TEXT_INIT;
	_free_ char *old = NULL;
	char word[IPADDR_STRLEN];
	struct stat st;
	size_t len;
	int r = guest_read(g, "etc/resolv.conf", &old, &st, e);

	if (r < 0)
		return r;
	for (s = old; (line = line_next(&s, &len));) {
		if (res->servers.len && line_is(line, len, "nameserver"))
			continue;
		if (res->domains.len && (line_is(line, len, "search") ||
					 line_is(line, len, "domain")))
			continue;
		text_add(&t, line, len);
		text_add(&t, "\n", 1);
	}
	if (res->domains.len)
		text_addf(&t, "search%s\n", res->domains.p);
	while (list && str_word(&list, word, sizeof(word)) > 0)
		text_addf(&t, "nameserver %s\n", word);
	t.oom |= res->servers.oom || res->domains.oom;
	return guest_put(g, "etc/resolv.conf", &t, r == 1 ? &st : NULL, e);
}

static int write_resolved(const struct guest_conf *g, const struct resolver *res, struct err *e)
{
	_text_ struct text t = TEXT_INIT;
	int r = guest_mkdir(g, "etc/systemd/resolved.conf.d", e);

	if (r < 0)
		return r;
	text_addf(&t, "# Written by berth at every start.\n[Resolve]\n");
	if (res->servers.len)
		text_addf(&t, "DNS=%s\n", res->servers.p + 1);
	if (res->domains.len)
		text_addf(&t, "Domains=%s\n", res->domains.p + 1);
	t.oom |= res->servers.oom || res->domains.oom;
	return guest_put(g, "etc/systemd/resolved.conf.d/berth.conf", &t, NULL, e);
}

/* With systemd-resolved resolv.conf is a link to its run-time file and must stay one. */
static bool uses_resolved(const struct guest_conf *g)
{
	char link[256];

	return guest_readlink(g, "etc", "resolv.conf", link, sizeof(link)) &&
	       strstr(link, "run/systemd/resolve/");
}

static int write_resolver(const struct guest_conf *g, struct err *e)
{
	_cleanup_(resolver_free) struct resolver res = { TEXT_INIT, TEXT_INIT };
	int r = 0;

	if (g->nameservers && str_eq(g->nameservers, "inherit"))
		inherit(&res);
	else if (g->nameservers)
		r = add_servers(&res, g->nameservers, e);
	if (r == 0 && g->searchdomain)
		r = add_domains(&res, g->searchdomain, e);
	if (r < 0 || (!res.servers.len && !res.domains.len))
		return r;
	return uses_resolved(g) ? write_resolved(g, &res, e) : write_resolv_conf(g, &res, e);
}

int guest_write(const struct guest_conf *g, struct err *e)
{
	int r = guest_mkdir(g, "etc", e);

	if (r == 0 && g->hostname)
		r = write_hostname(g, e);
	if (r == 0)
		r = write_resolver(g, e);
	if (r == 0)
		r = guest_write_network(g, e);
	if (r >= 0)
		r = guest_write_first(g, r > 0, e);
	return r < 0 ? err_wrap(e, "configure guest") : 0;
}
