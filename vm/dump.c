/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/json.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/uuid.h"

#define MAGIC "BERTHDMP"
#define DUMP_VERSION 1
#define MEMORY_AT 8192
#define KEY "dump.key"
#define KEY_LEN 64
#define CHUNK (256u * 1024)

struct dump_head {
	char magic[8];
	uint32_t version, len;
	uint8_t mac[SHA256_DIGEST_SIZE];        /* of version, len and the record */
	uint8_t pad[16];
};
#define RECORD_MAX (MEMORY_AT - sizeof(struct dump_head))

static void hex(const uint8_t sum[SHA256_DIGEST_SIZE], char ret[65])
{
	for (size_t i = 0; i < SHA256_DIGEST_SIZE; i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", sum[i]);
}

void dump_machine(const struct vm_args *a, char ret[65])
{
	uint8_t sum[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;

	sha256_init(&sha);
	for (unsigned i = 0; i < a->n; i++) {
		sha256_update(&sha, strlen(a->argv[i]) + 1, (const uint8_t *)a->argv[i]);
		if (str_eq(a->argv[i], "-append"))      /* was for the kernel that has booted */
			i++;
	}
	sha256_digest(&sha, sizeof(sum), sum);
	hex(sum, ret);
}

int dump_hash(int fd, uint64_t from, uint64_t *ret_bytes, char ret[65], struct err *e)
{
	_free_ uint8_t *buf = malloc(CHUNK);
	uint8_t sum[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;
	uint64_t at = from;
	ssize_t n;

	if (!buf)
		return err_set(e, ENOMEM, 0, "hash a file: out of memory");
	sha256_init(&sha);
	while ((n = pread(fd, buf, CHUNK, (off_t)at)) > 0 || (n < 0 && errno == EINTR)) {
		if (n < 0)
			continue;
		sha256_update(&sha, (size_t)n, buf);
		at += (uint64_t)n;
	}
	if (n < 0)
		return err_sys(e, "hash a file");
	sha256_digest(&sha, sizeof(sum), sum);
	hex(sum, ret);
	*ret_bytes = at - from;
	return 0;
}

/* ---- the key ---- */

/* Made beside its name, so that two that make it agree on one, and no half of one is ever read. */
static int make_key(int lib, struct err *e)
{
	char text[KEY_LEN + 1], name[32];
	int r = random_hex(text, KEY_LEN);

	if (r < 0)
		return err_set(e, -r, 0, "make the key of dumps: %s", strerror(-r));
	(void)str_fmt(name, sizeof(name), ".%s.%d", KEY, (int)getpid());
	r = fs_save_at(lib, name, text, 0600, e);
	if (r < 0)
		return r;
	if (renameat2(lib, name, lib, KEY, RENAME_NOREPLACE) < 0 && errno != EEXIST)
		r = err_sys(e, "make the key of dumps");
	(void)unlinkat(lib, name, 0);
	if (!r && fsync(lib) < 0)
		r = err_sys(e, "make the key of dumps");
	return r;
}

static int read_key(int lib, bool make, char ret[KEY_LEN], struct err *e)
{
	_free_ char *text = NULL;
	size_t len = 0;
	int r = fs_read_at(lib, KEY, KEY_LEN + 1, &text, &len, e);

	if (r == -ENOENT && make) {
		err_clear(e);
		r = make_key(lib, e);
		return r < 0 ? r : read_key(lib, false, ret, e);
	}
	if (!r && len != KEY_LEN)
		r = err_set(e, EINVAL, 0, "read the key of dumps: not one");
	if (!r)
		memcpy(ret, text, KEY_LEN);
	return r;
}

static int mac_of(int lib, bool make, const struct dump_head *h, const char *text,
		  uint8_t ret[SHA256_DIGEST_SIZE], struct err *e)
{
	struct hmac_sha256_ctx c;
	char key[KEY_LEN];
	int r = read_key(lib, make, key, e);

	if (r < 0)
		return r;
	hmac_sha256_set_key(&c, sizeof(key), (const uint8_t *)key);
	hmac_sha256_update(&c, sizeof(h->version), (const uint8_t *)&h->version);
	hmac_sha256_update(&c, sizeof(h->len), (const uint8_t *)&h->len);
	hmac_sha256_update(&c, h->len, (const uint8_t *)text);
	hmac_sha256_digest(&c, SHA256_DIGEST_SIZE, ret);
	return 0;
}

/* ---- the record ---- */

static void encode(struct json_out *j, const struct dump *d)
{
	json_object(j);
	json_ku64(j, "veid", d->veid);
	json_ku64(j, "created", d->created);
	json_ku64(j, "bytes", d->bytes);
	json_kstr(j, "sha256", d->sha256);
	json_kstr(j, "machine", d->machine);
	json_kstr(j, "qemu", d->qemu);
	json_kstr(j, "accel", d->accel);
	json_kstr(j, "template", d->template);
	json_kstr(j, "kernel", d->kernel);
	json_kstr(j, "kernel_sha256", d->kernel_sha256);
	json_ku64(j, "ram", d->ram);
	json_ku64(j, "ram_now", d->ram_now);
	json_ku64(j, "ram_max", d->ram_max);
	json_kstr(j, "type", d->type);
	json_ku64(j, "cpus_now", d->cpus_now);
	json_ku64(j, "cpus_max", d->cpus_max);
	json_ku64(j, "disk_inode", d->disk_inode);
	json_ku64(j, "disk_mtime", d->disk_mtime);
	json_ku64(j, "disk_size", d->disk_size);
	json_end(j);
}

static void take_text(const struct json_val *v, const char *key, char *dst, size_t size)
{
	(void)str_fmt(dst, size, "%s", json_get_str(v, key, ""));
}

static void decode(const struct json_val *v, struct dump *d)
{
	d->veid = (uint32_t)json_get_u64(v, "veid", 0);
	d->created = json_get_u64(v, "created", 0);
	d->bytes = json_get_u64(v, "bytes", 0);
	take_text(v, "sha256", d->sha256, sizeof(d->sha256));
	take_text(v, "machine", d->machine, sizeof(d->machine));
	take_text(v, "qemu", d->qemu, sizeof(d->qemu));
	take_text(v, "accel", d->accel, sizeof(d->accel));
	take_text(v, "template", d->template, sizeof(d->template));
	take_text(v, "kernel", d->kernel, sizeof(d->kernel));
	take_text(v, "kernel_sha256", d->kernel_sha256, sizeof(d->kernel_sha256));
	d->ram = json_get_u64(v, "ram", 0);
	d->ram_now = json_get_u64(v, "ram_now", 0);
	d->ram_max = json_get_u64(v, "ram_max", 0);
	take_text(v, "type", d->type, sizeof(d->type));
	d->cpus_now = (unsigned)json_get_u64(v, "cpus_now", 1);
	d->cpus_max = (unsigned)json_get_u64(v, "cpus_max", 1);
	d->disk_inode = json_get_u64(v, "disk_inode", 0);
	d->disk_mtime = json_get_u64(v, "disk_mtime", 0);
	d->disk_size = json_get_u64(v, "disk_size", 0);
}

/* ---- the file ---- */

int dump_begin(int dir, const char *name, int *ret, struct err *e)
{
	_fd_ int fd = -1;

	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)      /* of one that was killed */
		return err_sys(e, "make the dump");
	fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fchmod(fd, 0600) < 0 || lseek(fd, MEMORY_AT, SEEK_SET) < 0)
		return err_sys(e, "make the dump");
	*ret = TAKE_FD(fd);
	return 0;
}

static int write_head(int fd, const struct dump_head *h, const char *text, struct err *e)
{
	char buf[MEMORY_AT] = { 0 };

	memcpy(buf, h, sizeof(*h));
	memcpy(buf + sizeof(*h), text, h->len);
	if (pwrite(fd, buf, sizeof(buf), 0) != sizeof(buf) || fsync(fd) < 0)
		return err_sys(e, "write the dump");
	return 0;
}

int dump_seal(int lib, int fd, const struct dump *d, struct err *e)
{
	struct dump_head h = { .magic = MAGIC, .version = DUMP_VERSION };
	struct json_out *j = json_new(false);
	const char *text;
	int r;

	encode(j, d);
	r = json_finish(j, &text, e);
	if (!r) {
		h.len = (uint32_t)strlen(text);
		r = h.len <= RECORD_MAX ? mac_of(lib, true, &h, text, h.mac, e)
					: err_set(e, E2BIG, 0, "write the dump: its record is too long");
	}
	if (!r)
		r = write_head(fd, &h, text, e);
	json_free(j);
	return r;
}

static int refuse(struct err *e)
{
	err_clear(e);
	return err_set(e, EBADMSG, VZ_RESUME, "read the dump: not one that this host has written, or damaged");
}

int dump_read(int lib, int fd, struct dump *ret, struct err *e)
{
	uint8_t mac[SHA256_DIGEST_SIZE];
	struct dump d = { 0 };
	struct dump_head h;
	char text[RECORD_MAX];
	struct json_val *v;

	if (fs_pread_all(fd, &h, sizeof(h), 0) < 0 || memcmp(h.magic, MAGIC, sizeof(h.magic)) != 0 ||
	    h.version != DUMP_VERSION || !h.len || h.len > sizeof(text) ||
	    fs_pread_all(fd, text, h.len, sizeof(h)) < 0 || mac_of(lib, false, &h, text, mac, e) < 0 ||
	    !memeql_sec(mac, h.mac, sizeof(mac)) || json_parse(text, h.len, "the dump", &v, e) < 0)
		return refuse(e);
	decode(v, &d);
	json_val_free(v);
	*ret = d;
	return 0;
}

int dump_check(int fd, const struct dump *d, struct err *e)
{
	char sum[65];
	uint64_t bytes = 0;
	int r = dump_hash(fd, MEMORY_AT, &bytes, sum, e);

	if (r < 0)
		return r;
	if (bytes != d->bytes || !str_eq(sum, d->sha256))
		return refuse(e);
	if (lseek(fd, MEMORY_AT, SEEK_SET) < 0)
		return err_sys(e, "read the dump");
	return 0;
}
