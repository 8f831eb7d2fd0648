/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "util/cleanup.h"
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
