/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What VEs may reach of the host itself: "icmp tcp:53 udp:53", "all", or nothing. Answers to what
 * the host asked always come through; see nf-host.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SERVICES_MAX 64

struct service {
	uint8_t proto;                  /* IPPROTO_TCP, UDP, ICMP or ICMPV6 */
	uint16_t port;                  /* of ICMP its type */
};

struct services {
	bool all;
	unsigned n;
	struct service a[SERVICES_MAX]; /* sorted, each once */
};

/* 0 or -EINVAL; "none" is an empty list. */
int services_parse(const char *text, struct services *ret);
/* The same for the same services; what stands for the list where only that is asked. */
uint32_t services_id(const struct services *s);

