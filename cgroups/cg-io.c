/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rates on one block device, of reading and of writing.
 *
 * v2: one line of io.max per device; the kernel merges, keys that are not named stay.
 *
 * v1: four files, one value each, "0" lifts. The writer of dirty pages there is the flusher,
 * which runs in the root group, so a VE's buffered writes would pass unlimited. A VE's disk
 * is a device of its own: the same throttle on that device in the root group binds the
 * flusher and nobody else. Each group has its rate for itself, so that who writes both through
 * the cache and past it would have it twice: a container's processes are in the root group, too
 * (cg_open_tasks), and its own node only notes what was set. The root's outlives that node, hence
 * cg_forget_io. Its files have a line per VE and are only written here, never read, to keep the
 * cost constant. What such a container has read and written the device knows (cg_read_disk).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/major.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "cgroups/cgroup.h"
#include "cgroups/cg-internal.h"
#include "util/parse.h"
#include "util/str.h"

struct rate {
	const char *v2[2], *v1[2]; /* reading, writing */
	uint64_t max;
};

static const struct rate rates[] = {
	[CG_IO_BPS] = { { "rbps", "wbps" },
			{ "blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device" },
			U64_UNLIMITED },
	/* an unsigned int in the kernel, which cuts silently on v1 */
	[CG_IO_IOPS] = { { "riops", "wiops" },
			 { "blkio.throttle.read_iops_device", "blkio.throttle.write_iops_device" },
			 UINT32_MAX - 1 },
};

/* Start of what follows "MAJ:MIN " in a file with a line per device, or NULL. */
static const char *device_line(const char *text, dev_t dev)
{
	char key[32];
	int len = str_fmt(key, sizeof(key), "%u:%u ", major(dev), minor(dev));

	while (len > 0 && text && *text) {
		if (strncmp(text, key, (size_t)len) == 0)
			return text + len;
		text = strchr(text, '\n');
		text += text != NULL;
	}
	return NULL;
}

/* Value of "key=value" in the rest of a line of io.max. */
static int v2_value(const char *line, const char *key, uint64_t *ret)
{
	char rest[128], word[48];
	const char *s = rest;
	size_t len = strcspn(line, "\n");

	if (len >= sizeof(rest))
		return -EINVAL;
	memcpy(rest, line, len);
	rest[len] = '\0';
	while (str_word(&s, word, sizeof(word)) > 0)
		if (str_starts(word, key) && word[strlen(key)] == '=')
			return cg_codec_max.dec(word + strlen(key) + 1, ret);
	return -EINVAL;
}

static int read_v2(const struct cg_node *n, const struct rate *k, dev_t dev, uint64_t ret[2])
{
	char text[4096];
	const char *line;
	int r = cg_node_read(n, "io.max", text, sizeof(text));

	if (r < 0)
		return r;
	line = device_line(text, dev);
	ret[0] = ret[1] = CG_NONE;
	for (unsigned i = 0; line && r >= 0 && i < 2; i++)
		r = v2_value(line, k->v2[i], &ret[i]);
	return r < 0 ? r : 0;
}

static int read_v1(const struct cg_node *n, const struct rate *k, dev_t dev, uint64_t ret[2])
{
	char text[4096];
	int r = 0;

	for (unsigned i = 0; r >= 0 && i < 2; i++) {
		const char *line;

		r = cg_node_read(n, k->v1[i], text, sizeof(text));
		line = r < 0 ? NULL : device_line(text, dev);
		ret[i] = CG_NONE;
		if (line)
			r = cg_number(line, &ret[i]);
	}
	return r < 0 ? r : 0;
}

static int write_v2(const struct cg_node *n, const struct rate *k, dev_t dev,
		    const uint64_t value[2])
{
	char read[32], write[32], text[128];

	if (cg_codec_max.enc(value[0], read, sizeof(read)) < 0 ||
	    cg_codec_max.enc(value[1], write, sizeof(write)) < 0 ||
	    str_fmt(text, sizeof(text), "%u:%u %s=%s %s=%s", major(dev), minor(dev), k->v2[0],
		    read, k->v2[1], write) < 0)
		return -ERANGE;
	return cg_node_write(n, "io.max", text);
}

static int write_v1(const struct cg_node *n, const struct rate *k, dev_t dev,
		    const uint64_t value[2])
{
	char text[64];
	int r = 0;

	for (unsigned i = 0; r >= 0 && i < 2; i++) {
		r = str_fmt(text, sizeof(text), "%u:%u %" PRIu64, major(dev), minor(dev),
			    value[i] == CG_NONE ? 0 : value[i]);
		if (r >= 0)
			r = cg_node_write(n, k->v1[i], text);
	}
	return r < 0 ? r : 0;
}

static int read_rates(const struct cg_host *h, const struct cg_node *n, const struct rate *k,
		      dev_t dev, uint64_t ret[2])
{
	return h->on_v2[CG_IO] ? read_v2(n, k, dev, ret) : read_v1(n, k, dev, ret);
}

static int write_rates(const struct cg_host *h, const struct cg_node *n, const struct rate *k,
		       dev_t dev, const uint64_t value[2])
{
	struct cg_node root = { h->v1[CG_IO], "." };
	int r;

	if (h->on_v2[CG_IO])
		return write_v2(n, k, dev, value);
	r = write_v1(n, k, dev, value);
	return r < 0 ? r : write_v1(&root, k, dev, value);
}

static int in_range(const struct rate *k, const uint64_t asked[2], uint64_t ret[2])
{
	for (unsigned i = 0; i < 2; i++) {
		ret[i] = asked[i] >= U64_UNLIMITED ? CG_NONE : asked[i];
		if (ret[i] != CG_NONE && (ret[i] == 0 || ret[i] > k->max))
			return -ERANGE;
	}
	return 0;
}

int cg_set_io(const struct cg_host *h, const char *id, const struct cg_rate *rate, struct err *e)
{
	const struct rate *k = &rates[rate->what];
	uint64_t old[2] = { 0, 0 }, now[2] = { 0, 0 }, value[2];
	struct cg_node n;
	int r = cg_node(h, CG_IO, id, &n);

	if (r == 0)
		r = in_range(k, rate->value, value);
	if (r == 0)
		r = read_rates(h, &n, k, rate->dev, old);
	if (r < 0)
		goto fail;
	r = write_rates(h, &n, k, rate->dev, value);
	if (r == 0)
		r = read_rates(h, &n, k, rate->dev, now);
	if (r == 0 && (now[0] != value[0] || now[1] != value[1]))
		r = -EIO;
	if (r == 0)
		return 0;
	(void)write_rates(h, &n, k, rate->dev, old);
fail:
	return cg_fail(e, CG_IO, r, "set %s of %s%s on device %u:%u",
		       rate->what == CG_IO_BPS ? "I/O rate" : "I/O operations", CG_WHO(id),
		       major(rate->dev), minor(rate->dev));
}

int cg_get_io(const struct cg_host *h, const char *id, struct cg_rate *rate)
{
	struct cg_node n;
	int r = cg_node(h, CG_IO, id, &n);

	return r < 0 ? r : read_rates(h, &n, &rates[rate->what], rate->dev, rate->value);
}

bool cg_own_disk(const struct cg_host *h, dev_t dev)
{
	return h->v1[CG_IO] >= 0 && major(dev) == LOOP_MAJOR;
}

/* Documentation/block/stat.rst; sectors are of 512 bytes there, whatever the device has. */
void cg_read_disk(dev_t dev, struct cg_stat *s)
{
	struct cg_node sys = { AT_FDCWD, "/sys/dev/block" };
	uint64_t v[7] = { 0 };
	char file[48], text[512], word[24];
	const char *p = text;

	(void)str_fmt(file, sizeof(file), "%u:%u/stat", major(dev), minor(dev));
	if (cg_node_read(&sys, file, text, sizeof(text)) <= 0)
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(v); i++)
		if (str_word(&p, word, sizeof(word)) <= 0 || cg_number(word, &v[i]) < 0)
			return;
	s->rios = v[0];
	s->rbytes = v[2] * 512;
	s->wios = v[4];
	s->wbytes = v[6] * 512;
}

void cg_forget_io(const struct cg_host *h, dev_t dev)
{
	static const uint64_t none[2] = { CG_NONE, CG_NONE };
	struct cg_node root = { h->v1[CG_IO], "." };

	if (h->v1[CG_IO] < 0)
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(rates); i++)
		(void)write_v1(&root, &rates[i], dev, none);
}
