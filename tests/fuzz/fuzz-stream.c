/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VE's stream from anywhere. The input is what follows the magic; where it ends, the right end
 * frame is put, so that not all of them die at the checksum. Refused with a text, or all that it
 * says is within bounds.
 */
#include "ve/receive.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "templates/manifest.h"
#include "tests/fuzz/replay.h"
#include "util/cleanup.h"
#include "util/str.h"
#include "ve/registry.h"
#include "ve/stream.h"

static int make(const uint8_t *data, size_t size)
{
	_fd_ int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct stream s = STREAM_INIT;
	struct err e = ERR_INIT;

	if (fd < 0 || stream_begin(&s, fd, true, &e) < 0)
		abort();
	if (size && write(fd, data, size) != (ssize_t)size)
		abort();
	sha256_update(&s.sha, size, data);
	if (stream_put_end(&s, &e) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		abort();
	stream_done(&s);
	return TAKE_FD(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_free_ struct stream_head *h = calloc(1, sizeof(*h));
	_fd_ int fd = make(data, size);
	struct err e = ERR_INIT;

	if (!h)
		abort();
	if (ve_stream_verify(fd, h, &e) < 0) {
		if (!e.msg[0] || str_has_c0(e.msg))
			abort();
		return 0;
	}
	if (h->id < VEID_MIN || h->id > VEID_MAX || !manifest_hex_ok(h->template, DIGEST_LEN) ||
	    !str_is_word(h->from, ".-_") || h->conf.local_uid)
		abort();
	return 0;
}
