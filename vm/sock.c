/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm/sock.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/str.h"

/* Through /proc, because an address has room for 108 bytes only (unix(7)). */
static void address(int dir, const char *name, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)str_fmt(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", dir, name);
}

int vm_listen(int dir, const char *name, int *ret, struct err *e)
{
	_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa;

	address(dir, name, &sa);
	if (fd < 0 || (unlinkat(dir, name, 0) < 0 && errno != ENOENT))
		return err_sys(e, "make %s", name);
	/* bind(2) gives the file the mode of the socket, less the umask. */
	if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(fd, 4) < 0)
		return err_sys(e, "bind %s", name);
	*ret = TAKE_FD(fd);
	return 0;
}

int vm_connect(int dir, const char *name, int timeout_ms, int *ret, struct err *e)
{
	struct timeval patience = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
	_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa;

	address(dir, name, &sa);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return err_sys(e, "connect %s", name);
	*ret = TAKE_FD(fd);
	return 0;
}

void vm_agent_sock(unsigned n, char dst[24])
{
	(void)str_fmt(dst, 24, "agent.%u.sock", n);
}
