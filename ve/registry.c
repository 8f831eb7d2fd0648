/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/registry.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "util/claim.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-lock.h"
#include "ve/params.h"

static int id_of_conf(const char *name, uint32_t *ret)
{
	char digits[16];
	const char *dot = strchr(name, '.');

	if (!dot || !str_eq(dot, ".conf") ||
	    str_fmt(digits, sizeof(digits), "%.*s", (int)(dot - name), name) < 0)
		return -EINVAL;
	return parse_u32(digits, VEID_MIN, VEID_MAX, ret);
}

bool reg_name_ok(const char *name)
{
	return str_is_word(name, "._-") && !isdigit((unsigned char)*name) && *name != '-' &&
	       *name != '.' && strlen(name) < 64;
}

/* Number behind names/NAME. 0, or -ENOENT. */
static int name_owner(const struct inst *in, const char *name, uint32_t *ret)
{
	char path[80], target[64];
	ssize_t n;

	if (str_fmt(path, sizeof(path), "names/%s", name) < 0)
		return -ENOENT;
	n = readlinkat(in->etc, path, target, sizeof(target) - 1);
	if (n <= 0)
		return -ENOENT;
	target[n] = '\0';
	if (!str_starts(target, "../conf/") || id_of_conf(target + 8, ret) < 0)
		return -ENOENT;
	return 0;
}

/* The name that was meant, perhaps. */
static int unknown_name(const struct inst *in, const char *text, struct err *e)
{
	int fd = openat(in->etc, "names", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	unsigned distance, nearest = 3;
	char best[VE_NAME_LEN] = "";
	struct dirent *de;

	while (d && (de = readdir(d))) {
		distance = str_distance(text, de->d_name);
		if (distance < nearest && reg_name_ok(de->d_name)) {
			nearest = distance;
			(void)str_fmt(best, sizeof(best), "%s", de->d_name);
		}
	}
	if (*best)
		return err_set(e, ENOENT, VZ_BAD_VALUE, "VE \"%.60s\" does not exist: did you mean \"%s\"?",
			       text, best);
	return err_set(e, ENOENT, VZ_BAD_VALUE, "VE \"%.60s\" does not exist", text);
}

int reg_resolve(const struct inst *in, const char *text, uint32_t *ret, struct err *e)
{
	uint32_t id;

	if (isdigit((unsigned char)*text)) {
		if (parse_u32(text, VEID_MIN, VEID_MAX, &id) < 0)
			return err_set(e, EINVAL, VZ_BAD_VALUE,
				       "VE number \"%.40s\" is not from %d to %d", text, VEID_MIN,
				       VEID_MAX);
		*ret = id;
		return 0;
	}
	if (!reg_name_ok(text) || name_owner(in, text, &id) < 0)
		return unknown_name(in, text, e);
	*ret = id;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int reg_list(const struct inst *in, uint32_t **ret, size_t *ret_n, struct err *e)
{
	int fd = openat(in->etc, "conf", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	_free_ uint32_t *ids = NULL;
	size_t n = 0, cap = 0;
	struct dirent *de;

	if (!d)
		return err_sys(e, "list the configs");
	while ((de = readdir(d))) {
		uint32_t id;

		if (id_of_conf(de->d_name, &id) < 0)
			continue;
		if (n == cap) {
			uint32_t *more = realloc(ids, (cap = cap ? cap * 2 : 64) * sizeof(*ids));

			if (!more)
				return err_set(e, ENOMEM, 0, "list the configs: out of memory");
			ids = more;
		}
		ids[n++] = id;
	}
	if (n)
		qsort(ids, n, sizeof(*ids), by_number);
	*ret = TAKE_PTR(ids);
	*ret_n = n;
	return 0;
}

bool reg_exists(const struct inst *in, uint32_t id)
{
	char path[64];

	(void)str_fmt(path, sizeof(path), "conf/%u.conf", id);
	return faccessat(in->etc, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Between the look at who has a name and the link that takes it nobody else shall take it. */
static int lock_names(const struct inst *in, int *ret, struct err *e)
{
	return flock_path(in->etc, "names/.", "the names of VEs", FLOCK_BRIEF_MS, ret, e);
}

int reg_name_take(const struct inst *in, uint32_t id, const char *name, struct err *e)
{
	char path[80], target[64];
	_fd_ int lock = -1;
	uint32_t owner;
	int r;

	if (!reg_name_ok(name))
		return err_set(e, EINVAL, VZ_NAME, "name \"%.60s\": want letters, digits and . _ -, "
			       "not starting with a digit, at most 63", name);
	(void)str_fmt(path, sizeof(path), "names/%s", name);
	(void)str_fmt(target, sizeof(target), "../conf/%u.conf", id);
	r = lock_names(in, &lock, e);
	if (r < 0)
		return r;
	if (name_owner(in, name, &owner) == 0) {
		if (owner == id)
			return 0;
		if (reg_exists(in, owner))
			return err_set(e, EEXIST, VZ_NAME, "name %s is taken by VE %u", name, owner);
		(void)unlinkat(in->etc, path, 0);       /* of a VE that is gone */
	}
	return symlinkat(target, in->etc, path) < 0 ? err_sys(e, "take the name %s", name) : 0;
}

void reg_name_drop(const struct inst *in, uint32_t id, const char *name)
{
	struct err ignored = ERR_INIT;  /* a name too many, which recovery drops */
	_fd_ int lock = -1;
	char path[80];
	uint32_t owner;

	if (lock_names(in, &lock, &ignored) < 0 || name_owner(in, name, &owner) < 0 || owner != id ||
	    str_fmt(path, sizeof(path), "names/%s", name) < 0)
		return;
	(void)unlinkat(in->etc, path, 0);
}

/* ---- id ranges ---- */

/* true when [base, base+65536) meets a range that the host gave to its users. */
static bool in_subid(const char *file, uint64_t base)
{
	_file_ FILE *f = fopen(file, "re");
	char *line = NULL;
	size_t cap = 0;
	bool hit = false;

	while (f && !hit && getline(&line, &cap, f) > 0) {
		char *first = strchr(line, ':'), *count;
		uint64_t from, n;

		if (!first)
			continue;
		count = strchr(++first, ':');
		if (!count)
			continue;
		*count++ = '\0';
		count[strcspn(count, "\n")] = '\0';
		if (parse_u64(first, 0, UINT32_MAX, &from) < 0 ||
		    parse_u64(count, 0, UINT32_MAX, &n) < 0)
			continue;
		hit = base < from + n && from < base + 65536;
	}
	free(line);
	return hit;
}

int reg_ids_pick(const struct inst *in, uint32_t id, uint64_t *ret_base, struct err *e)
{
	uint64_t slots = in->conf.id_slots;

	for (uint64_t i = 0; i < slots; i++) {
		uint64_t slot = (id + i) % slots, base = in->conf.id_base + slot * 65536;
		char path[64];
		int r;

		if (base + 65536 > UINT32_MAX || in_subid("/etc/subuid", base) ||
		    in_subid("/etc/subgid", base))
			continue;
		(void)str_fmt(path, sizeof(path), "ids/%" PRIu64, slot);
		r = claim_take(in->lib, path, id);
		if (r == -EEXIST)
			continue;
		if (r < 0) {
			errno = -r;
			return err_sys(e, "reserve the ids of VE %u", id);
		}
		*ret_base = base;
		return 0;
	}
	return err_set(e, ENOSPC, VZ_NO_RESOURCES,
		       "reserve the ids of VE %u: all %" PRIu64 " ranges are taken (ID_SLOTS)", id, slots);
}

/* ids/SLOT of a base; false when it lies outside the instance's ranges. */
static bool slot_path(const struct inst *in, uint64_t base, char dst[64])
{
	if (base < in->conf.id_base || (base - in->conf.id_base) / 65536 >= in->conf.id_slots ||
	    (base - in->conf.id_base) % 65536)
		return false;
	return str_fmt(dst, 64, "ids/%" PRIu64, (base - in->conf.id_base) / 65536) > 0;
}

int reg_ids_claim(const struct inst *in, uint32_t id, uint64_t base, struct err *e)
{
	char path[64];
	int r;

	if (!slot_path(in, base, path))
		return err_set(e, ERANGE, VZ_BAD_CONF,
			       "reserve the ids of VE %u: %" PRIu64 " is not in this instance's range",
			       id, base);
	r = claim_take(in->lib, path, id);
	if (r == -EEXIST)
		return err_set(e, EAGAIN, VZ_NO_RESOURCES,
			       "reserve the ids of VE %u: VE %" PRId64 " has them", id,
			       claim_owner(in->lib, path));
	if (r < 0) {
		errno = -r;
		return err_sys(e, "reserve the ids of VE %u", id);
	}
	return 0;
}

void reg_ids_drop(const struct inst *in, uint32_t id, uint64_t base)
{
	char path[64];

	if (slot_path(in, base, path))
		claim_drop(in->lib, path, id);
}
