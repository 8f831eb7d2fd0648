/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses on links, by rtnetlink. */
#pragma once

#include "netns/nl.h"
#include "util/parse.h"

#include <stdint.h>

/* Put the address with this prefix, without DAD (the kernel's would come too late); again is fine. */
void addr_put(struct nl *n, unsigned index, const struct ipaddr *a, uint8_t prefix);
/* The whole address (/32) with link scope, for the gateway. */
void addr_put_link_scope(struct nl *n, unsigned index, const struct ipaddr *a);
/* The link-local address of this MAC, fe80::/64, without DAD. */
void addr_put_link_local(struct nl *n, unsigned index, const uint8_t mac[6]);
/* Remove; an address that is not there is fine. */
void addr_put_del(struct nl *n, unsigned index, const struct ipaddr *a, uint8_t prefix);

/* fe80::/64 and the EUI-64 of the MAC (RFC 4291, appendix A). */
struct ipaddr addr_link_local(const uint8_t mac[6]);
/* 169.254.0.1 */
struct ipaddr addr_gateway4(void);
uint8_t addr_bits(const struct ipaddr *a);
uint16_t addr_len(const struct ipaddr *a);
