/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Strict parsing of numbers, sizes and addresses. The whole string must be consumed; leading
 * blanks, signs, hex, octal and exponents are refused. The same functions serve the command
 * line and files, so that what a file accepts the command accepts.
 * All return 0, -EINVAL (not of the form) or -ERANGE, and leave the output untouched then.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define U64_UNLIMITED UINT64_C(9223372036854775807) /* LONG_MAX: "unlimited" in vz files */

int parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret);
int parse_u32(const char *s, uint32_t min, uint32_t max, uint32_t *ret);

/*
 * A size in bytes: number (a decimal fraction is allowed before a suffix), then one of
 * b k m g t p (any case, optional trailing "b" or "ib"), or p for pages where pages is true.
 * Without a suffix the number counts units of `unit` bytes. "unlimited" is U64_UNLIMITED.
 */
int parse_size(const char *s, uint64_t unit, bool pages, uint64_t *ret);

/* A time in milliseconds: number and one of ms s m h; without a suffix it counts seconds. */
int parse_duration(const char *s, uint64_t min_ms, uint64_t max_ms, uint64_t *ret_ms);

/* yes/no, on/off, true/false, 1/0. */
int parse_bool(const char *s, bool *ret);

/* A list such as 0-3,7 into bits; at most 1024. "all" sets the first `all` bits. */
int parse_cpulist(const char *s, unsigned all, uint64_t bits[16]);

/* One network address with optional /prefix. */
struct ipaddr {
	uint8_t family;         /* AF_INET or AF_INET6 */
	uint8_t prefix;         /* as written; 32 or 128 when absent */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
};

int parse_ip(const char *s, struct ipaddr *ret);

/* "10.0.0.5", "auto" for one that is still to be chosen (family 0), or, where the prefix is not the whole address, "10.0.0.5/24". */
#define IPADDR_STRLEN 52
void format_ip(const struct ipaddr *a, char dst[IPADDR_STRLEN]);
/* Address without any prefix. */
void format_ip_host(const struct ipaddr *a, char dst[IPADDR_STRLEN]);
/* No bit is set behind the prefix. */
bool ip_is_network(const struct ipaddr *a);
bool ip_same_host(const struct ipaddr *a, const struct ipaddr *b);

/* Six bytes of a MAC address written with colons. */
int parse_mac(const char *s, uint8_t ret[6]);
#define MAC_STRLEN 18
void format_mac(const uint8_t mac[6], char dst[MAC_STRLEN]);
