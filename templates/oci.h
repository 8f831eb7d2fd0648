/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An OCI image layout (github.com/opencontainers/image-spec, image-layout.md): index.json leads by
 * digests to a manifest, from there to a configuration and layers. Every blob is hashed before
 * anything is made of it. Only the platform is taken from the configuration: no entry point,
 * label or environment of an image ever acts on the host.
 */
#pragma once

#include "templates/store.h"
#include "templates/unpack.h"
#include "util/err.h"

/*
 * Open the layers of the image for this machine's architecture, lowest first. ref: the name in
 * its annotation org.opencontainers.image.ref.name, or the digest of its manifest; NULL where
 * there is but one. Sets t->arch. Descriptors are the caller's to close, *ret_n of them, also
 * after a failure.
 */
MUST_CHECK int oci_open(int dir, const char *ref, int ret_fds[UNPACK_SOURCES_MAX], size_t *ret_n,
			struct template *t, struct err *e);

/* uname's word for Go's; NULL when it is none we know. */
const char *oci_machine(const char *architecture);
