/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files inside a VE that follow its config, written as the VE's root on its id-mapped root. */
#pragma once

#include "ve/ve.h"

/* Write host name, resolver and network files into the root directory fd of the VE. */
MUST_CHECK int guest_setup(struct ve *ve, int root, struct err *e);

/* Set "user:password" there. */
MUST_CHECK int guest_userpasswd(struct ve *ve, int root, const char *userpasswd, struct err *e);

/* The same for a VE that does not run: mounted where nobody sees it. */
MUST_CHECK int guest_userpasswd_stopped(struct ve *ve, const char *userpasswd, struct err *e);

/* After opening something by the number of init: closes it unless that was the VE's init. */
MUST_CHECK int guest_still_there(const struct ve *ve, int *fd, struct err *e);

/* Root directory of a running VE, as its init sees it. */
MUST_CHECK int guest_open_root(struct ve *ve, int *ret, struct err *e);

/* Give the running VE's kernel side (its UTS namespace) the host name of the config. */
MUST_CHECK int guest_sethostname(struct ve *ve, struct err *e);
