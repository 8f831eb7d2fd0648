/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files into and out of a running VE, whatever its kind (util/parcel.h). */
#pragma once

#include "util/parcel.h"
#include "ve/ve.h"

struct files_opts {
	bool out;                       /* out of the VE; else into it */
	const char *here;               /* path on the host, or "-": standard input or output */
	const char *there;              /* path inside */
	const char *name;               /* of what is copied, in a directory that is there; "": its content */
	bool recursive, keep;           /* keep: PARCEL_KEEP */
	bool owned;
	uint32_t uid, gid;              /* if owned */
	uint64_t max_size;              /* 0: what the VE's disk and a template can hold */
	uint64_t timeout_s;             /* 0: as long as it goes on */
	void (*tell)(void *arg, const struct parcel_count *c);
	void *arg;
};

MUST_CHECK int ve_files(struct inst *in, uint32_t id, const struct files_opts *o, struct parcel_count *ret,
			struct err *e);
