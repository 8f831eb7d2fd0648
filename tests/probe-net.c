/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The probe's commands for traffic. */
#include "tests/probe.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

#define PAYLOAD 1472            /* fills a frame of 1514 bytes */
#define AT_ONCE 40

static int udp_socket(const char *addr, const char *port, struct sockaddr_in *ret)
{
	*ret = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	if (inet_pton(AF_INET, addr, &ret->sin_addr) != 1)
		return -1;
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

/*
 * net-send ADDR PORT SECONDS [BYTES]: datagrams, as fast as they go or until BYTES are sent. In
 * larger pieces where the kernel has those (4.18): one by one they do not fill 1 Gbit/s.
 */
int do_net_send(char **argv)
{
	static char data[PAYLOAD * AT_ONCE];
	double end = now_s() + atoi(argv[2]);
	long long left = argv[3] ? atoll(argv[3]) : -1;
	struct sockaddr_in to;
	int fd = udp_socket(argv[0], argv[1], &to), cut = PAYLOAD;
	const int queue = 3 << 18;      /* less than waits at 100 Mbit/s: who overruns it takes the others' CPU */
	size_t most = PAYLOAD;

	if (fd < 0)
		return 1;
	if (left < 0 && setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &cut, sizeof(cut)) == 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &queue, sizeof(queue));
		most = sizeof(data);
	}
	while (left && now_s() < end) {
		size_t n = left > 0 && left < PAYLOAD ? (size_t)left : most;
		ssize_t r = sendto(fd, data, n, 0, (const struct sockaddr *)&to, sizeof(to));

		if (r > 0 && left > 0)
			left -= r;
	}
	(void)close(fd);
	return left > 0;
}

/*
 * net-recv ADDR PORT SECONDS: full frames per second from the first one and half a second on,
 * as bits per second on the link. Datagrams are counted as they come: what TCP holds back until
 * a lost segment has come again would be counted at the wrong time.
 */
int do_net_recv(char **argv)
{
	static char data[65536];
	struct sockaddr_in at;
	int fd = udp_socket(argv[0], argv[1], &at), size = 8 << 20, whole = 1;
	struct timeval patience = { .tv_sec = 10 };
	double start = 0, now = 0, seconds = atoi(argv[2]);
	unsigned long long bytes = 0;
	ssize_t n;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	(void)setsockopt(fd, IPPROTO_UDP, UDP_GRO, &whole, sizeof(whole));
	if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		return 1;
	while ((n = recv(fd, data, sizeof(data), 0)) > 0) {
		now = now_s();
		if (start == 0)
			start = now + 0.5;
		if (now >= start)
			bytes += (unsigned long long)n;
		if (now >= start + seconds)
			break;
	}
	printf("%.0f\n", bytes ? (double)bytes / PAYLOAD * (PAYLOAD + 42) * 8 / (now - start) : 0);
	(void)close(fd);
	return 0;
}

static volatile sig_atomic_t stopped;

static void on_term(int sig)
{
	(void)sig;
	stopped = 1;
}

/*
 * net-capture LINK: every IP packet on the link of this name, also when it is made anew, until
 * SIGTERM. Then bytes to the other end, IPv4 and IPv6, bytes from it, and what was missed.
 */
int do_net_capture(char **argv)
{
	const struct sigaction sa = { .sa_handler = on_term };
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL)), size = 64 << 20;
	unsigned long long bytes[2][2] = { { 0 } };
	struct tpacket_stats st = { 0 };
	socklen_t len = sizeof(st);
	static char data[1];

	(void)sigaction(SIGTERM, &sa, NULL);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	while (!stopped) {
		struct sockaddr_ll from = { 0 };
		socklen_t from_len = sizeof(from);
		char name[IF_NAMESIZE];
		ssize_t n = recvfrom(fd, data, sizeof(data), MSG_TRUNC, (struct sockaddr *)&from,
				     &from_len);
		unsigned proto = ntohs(from.sll_protocol);

		if (n > 0 && (proto == ETH_P_IP || proto == ETH_P_IPV6) &&
		    if_indextoname((unsigned)from.sll_ifindex, name) && !strcmp(name, argv[0]))
			bytes[from.sll_pkttype != PACKET_OUTGOING][proto == ETH_P_IPV6] +=
				(unsigned long long)n;
	}
	(void)getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &st, &len);
	printf("%llu %llu %llu %llu %u\n", bytes[0][0], bytes[0][1], bytes[1][0], bytes[1][1],
	       st.tp_drops);
	return 0;
}
