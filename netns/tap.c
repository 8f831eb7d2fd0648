/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/tap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/parse.h"
#include "util/str.h"

/* SIOCSIFHWADDR wants a socket of the namespace; any will do. */
static int set_mac(const char *name, const uint8_t mac[6], struct err *e)
{
	_fd_ int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = { .ifr_hwaddr = { .sa_family = ARPHRD_ETHER } };

	(void)str_fmt(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	memcpy(r.ifr_hwaddr.sa_data, mac, 6);
	if (sock < 0 || ioctl(sock, SIOCSIFHWADDR, &r) < 0)
		return err_sys(e, "set the address of tap %s", name);
	return 0;
}

/* IFF_VNET_HDR: whole segments pass, cut up by whoever needs them smaller. */
int tap_open(const char *name, const uint8_t mac[6], int *ret, struct err *e)
{
	_fd_ int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int x;

	if (fd < 0)
		return err_sys(e, "open /dev/net/tun");
	(void)str_fmt(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &r) < 0)
		return err_sys(e, "make tap %s", name);
	x = set_mac(name, mac, e);
	if (x < 0)
		return x;
	*ret = TAKE_FD(fd);
	return 0;
}

#define FDINFO_MAX 1024

/* drivers/net/tun.c says in a descriptor's fdinfo which link it is of: "iff:\tNAME". */
static bool is_of(int dir, const char *fd, const char *name)
{
	char text[FDINFO_MAX + 1], line[IFNAMSIZ + 8];
	_fd_ int info = openat(dir, fd, O_RDONLY | O_CLOEXEC);
	ssize_t n = info < 0 ? -1 : read(info, text, FDINFO_MAX);

	if (n < 0 || str_fmt(line, sizeof(line), "\niff:\t%s\n", name) < 0)
		return false;
	text[n] = '\0';
	return strstr(text, line) != NULL;
}

/* Should the process be another by now, pidfd_getfd says that the one of pidfd is gone. */
int tap_of(pid_t pid, int pidfd, const char *name, int *ret)
{
	char path[32];
	_dir_ DIR *d = NULL;
	struct dirent *de;
	uint32_t nr;
	int fd;

	(void)str_fmt(path, sizeof(path), "/proc/%d/fdinfo", (int)pid);
	d = opendir(path);
	if (!d)
		return -errno;
	while ((de = readdir(d)))
		if (parse_u32(de->d_name, 0, INT_MAX, &nr) == 0 && is_of(dirfd(d), de->d_name, name)) {
			fd = pidfd_getfd(pidfd, (int)nr, 0);
			if (fd < 0)
				return -errno;
			*ret = fd;
			return 0;
		}
	return -ENOENT;
}
