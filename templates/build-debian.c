/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Debian and Ubuntu by mmdebstrap, which makes its mounts in a namespace of its own and leaves
 * none behind when it is killed. What the host knows and a VE must not (machine id, resolver,
 * host name, options of this build) is taken out afterwards, with every path resolved inside
 * the new root: its packages wrote it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "templates/recipe.h"
#include "templates/apt.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"

/*
 * minbase is apt and what is essential. Added: an init with its bus and logins, and what an
 * administrator expects to find on a fresh server. No ssh: it would come with host keys.
 */
#define PACKAGES \
	"--include=systemd,systemd-sysv,dbus,libpam-systemd,login,passwd,iproute2,iputils-ping," \
	"ifupdown,netbase,procps,ca-certificates,less"

#define KEYRING_LEN 96

struct sources {
	char main[512], updates[512], security[512];    /* with the keyring that the host has */
	char text[1300];                /* the three as /etc/apt/sources.list */
	char mirror[APT_URI_LEN];
};

static const struct recipe_file files[] = {
	{ "etc/machine-id", 0444, "" },         /* empty: made at first boot (machine-id(5)) */
	{ "etc/hostname", 0644, "localhost\n" },
	{ "etc/resolv.conf", 0644, "" },
	{ "etc/fstab", 0644, "# The host has mounted everything.\n" },
	{ "etc/hosts", 0644,
	  "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
	  "ff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n" },
	{ "etc/network/interfaces", 0644,
	  "source /etc/network/interfaces.d/*\n\nauto lo\niface lo inet loopback\n" },
	{ "etc/default/locale", 0644, "LANG=C.UTF-8\n" },
};

/*
 * Units that have nothing to do in a container: file systems that a user namespace may not
 * mount, the audit socket, the checker of LVM snapshots, and trimming, which is the host's.
 */
static const struct recipe_link links[] = {
	{ "etc/systemd/system/sys-kernel-debug.mount", "/dev/null" },
	{ "etc/systemd/system/sys-kernel-tracing.mount", "/dev/null" },
	{ "etc/systemd/system/sys-kernel-config.mount", "/dev/null" },
	{ "etc/systemd/system/proc-sys-fs-binfmt_misc.automount", "/dev/null" },
	{ "etc/systemd/system/systemd-journald-audit.socket", "/dev/null" },
	{ "etc/systemd/system/e2scrub_reap.service", "/dev/null" },
	{ "etc/systemd/system/e2scrub_all.timer", "/dev/null" },
	{ "etc/systemd/system/fstrim.timer", "/dev/null" },
	{ "etc/systemd/system/default.target", "/lib/systemd/system/multi-user.target" },
};

static const char *const drops[] = {
	"etc/apt/apt.conf.d/99mmdebstrap", "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
	"etc/apt/sources.list.d/0000mmdebstrap.list", "var/lib/dbus/machine-id",
	"var/lib/systemd/random-seed", "var/log/bootstrap.log", "var/log/dpkg.log",
	"var/log/alternatives.log", "var/log/apt", "var/cache/apt/pkgcache.bin",
	"var/cache/apt/srcpkgcache.bin", "var/cache/debconf/templates.dat-old",
	"var/cache/debconf/config.dat-old", "root/.bash_history",
};

/* Apt of the host trusts only the host's own distribution by itself. */
static void keyring_path(const struct recipe *rec, char dst[KEYRING_LEN])
{
	(void)str_fmt(dst, KEYRING_LEN, "/usr/share/keyrings/%s-archive-keyring.gpg", rec->family);
}

static int make_sources(const struct build *b, const struct recipe *rec, struct sources *ret,
			struct err *e)
{
	bool ubuntu = str_eq(rec->family, "ubuntu");
	const char *what = ubuntu ? "main universe" : "main";
	struct sources s = { 0 };
	struct apt_mirrors m;
	char keyring[KEYRING_LEN];

	apt_find_mirrors("/etc/apt", rec->family, &m);
	if (!m.main[0] || b->mirror)
		if (str_fmt(m.main, sizeof(m.main), "%s",
			    b->mirror	? b->mirror :
			    ubuntu	? "http://archive.ubuntu.com/ubuntu" :
					  "http://deb.debian.org/debian") < 0)
			return err_set(e, EINVAL, VZ_BAD_VALUE, "use mirror: address too long");
	if (!str_is_word(m.main, ":/._-~%+@"))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "use mirror: not an address");
	if (!m.security[0])
		(void)str_fmt(m.security, sizeof(m.security), "%s",
			      ubuntu ? m.main : "http://deb.debian.org/debian-security");
	keyring_path(rec, keyring);
	(void)str_fmt(s.main, sizeof(s.main), "deb [signed-by=%s] %s %s %s", keyring, m.main, rec->suite,
		      what);
	(void)str_fmt(s.updates, sizeof(s.updates), "deb [signed-by=%s] %s %s-updates %s", keyring,
		      m.main, rec->suite, what);
	(void)str_fmt(s.security, sizeof(s.security), "deb [signed-by=%s] %s %s-security %s", keyring,
		      m.security, rec->suite, what);
	(void)str_fmt(s.text, sizeof(s.text),
		      "deb %s %s %s\ndeb %s %s-updates %s\ndeb %s %s-security %s\n", m.main, rec->suite,
		      what, m.main, rec->suite, what, m.security, rec->suite, what);
	(void)str_fmt(s.mirror, sizeof(s.mirror), "%s", m.main);
	*ret = s;
	return 0;
}

static int check_keyring(const struct recipe *rec, struct err *e)
{
	bool ubuntu = str_eq(rec->family, "ubuntu");    /* Debian 12 has no package of it */
	char path[KEYRING_LEN];

	keyring_path(rec, path);
	if (access(path, R_OK) < 0)
		return err_set(e, ENOENT, VZ_BAD_TEMPLATE,
			       "check signatures: %s is missing; it is in the package %s-%skeyring%s", path,
			       rec->family, ubuntu ? "" : "archive-",
			       ubuntu ? " of Ubuntu's own archive" : "");
	return 0;
}

/* ---- mmdebstrap ---- */

struct watch {
	const struct build *b;
	char cause[300];                /* the first thing that went wrong */
	bool unreachable;
};

/* "I: " lines say what it does; the first "E: " line is the cause, later ones its echo. */
static void on_line(void *arg, const char *line)
{
	static const char *const net[] = { "Could not resolve", "Could not connect", "Failed to fetch",
					   "Unable to connect", "Temporary failure", "timed out",
					   "does not have a Release file", "404 " };
	struct watch *w = arg;

	line += strspn(line, " ");
	if (str_starts(line, "I: ") && !strstr(line, "received signal"))
		build_say(w->b, "%s", line + 3);
	for (size_t i = 0; i < ARRAY_SIZE(net) && !w->unreachable; i++)
		if (strstr(line, net[i])) {
			w->unreachable = true;
			(void)snprintf(w->cause, sizeof(w->cause), "%s", line);
		}
	if (!w->cause[0] && str_starts(line, "E: "))
		(void)snprintf(w->cause, sizeof(w->cause), "%s", line + 3);
}

/* A build has no use without whoever asked for it. */
static int die_with_parent(void *arg)
{
	(void)arg;
	return prctl(PR_SET_PDEATHSIG, SIGTERM);
}

static const char *proxy(const char *name, char *dst, size_t size)
{
	const char *v = getenv(name);

	if (!v || str_has_control(v) || str_fmt(dst, size, "%s=%s", name, v) < 0)
		(void)str_fmt(dst, size, "%s=", name);
	return dst;
}

static int bootstrap(const struct build *b, const struct recipe *rec, int scratch,
		     const struct sources *s, struct err *e)
{
	char http[300], https[300], none[300], more[sizeof(b->extra->packages) + 16];
	struct watch w = { .b = b };
	const char *const env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "TMPDIR=/tmp",
				    proxy("http_proxy", http, sizeof(http)),
				    proxy("https_proxy", https, sizeof(https)),
				    proxy("no_proxy", none, sizeof(none)), NULL };
	const char *const argv[] = {
		"/usr/bin/mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory",
		PACKAGES, more, "--aptopt=Acquire::Retries \"2\"",
		"--aptopt=Acquire::http::Timeout \"20\"", "--aptopt=Acquire::Languages \"none\"",
		"--dpkgopt=force-unsafe-io", rec->suite, "root", s->main, s->updates, s->security,
		NULL
	};
	struct run run = { .argv = argv, .env = env, .in = -1, .out = -1, .cwd = scratch,
			   .setup = die_with_parent, .line = on_line, .line_arg = &w };
	int r;

	(void)str_fmt(more, sizeof(more), "--include=%s",
		      b->extra && *b->extra->packages ? b->extra->packages : "apt");
	r = proc_run(&run, e);
	if (r == 127)
		return err_set(e, ENOENT, VZ_SYSTEM,
			       "run mmdebstrap: not found; install the package mmdebstrap");
	if (r > 0 && w.unreachable)
		return err_set(e, ENETUNREACH, VZ_BAD_TEMPLATE, "fetch from %s: %s", s->mirror,
			       w.cause);
	if (r > 0 && w.cause[0])
		return err_set(e, EIO, VZ_BAD_TEMPLATE, "run mmdebstrap: %s", w.cause);
	return r > 0 ? -e->eno : r;
}

/* ---- afterwards ---- */

static int clean(int root, const struct sources *s, struct err *e)
{
	const struct recipe_file list = { "etc/apt/sources.list", 0644, s->text };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(drops) && !r; i++)
		r = build_drop(root, drops[i], e);
	if (!r)
		r = fs_mkdir_in_root(root, "var/log/apt", 0755, 0, 0, e);
	if (!r)
		r = build_files(root, &list, 1, e);
	if (!r)
		r = build_files(root, files, ARRAY_SIZE(files), e);
	if (!r)
		r = build_links(root, links, ARRAY_SIZE(links), e);
	return r;
}

int build_debian(const struct build *b, const struct recipe *rec, int scratch, struct err *e)
{
	_fd_ int root = -1;
	struct sources s;
	int r = check_keyring(rec, e);

	if (!r)
		r = make_sources(b, rec, &s, e);
	if (r < 0)
		return r;
	build_say(b, "fetching %s from %s", rec->suite, s.mirror);
	r = bootstrap(b, rec, scratch, &s, e);
	if (!r)
		r = fs_open_dir(scratch, "root", &root, e);
	if (!r)
		r = clean(root, &s, e);
	return r;
}
