/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/oci.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "templates/manifest.h"
#include "templates/verify.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/json.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define MAX_DOC (1u << 20)      /* the bound of util/json.h */
#define MAX_DEPTH 4             /* of an index in an index */
#define MAX_INDEXES 64          /* in all: a few lines that name each other would have no end */
#define REF_NAME "org.opencontainers.image.ref.name"

struct oci {
	int dir;
	const char *ref;
	const char *machine;
	char found[DIGEST_LEN + 1];     /* manifest of the image to take */
	unsigned n_found;
	struct seen {
		char digest[DIGEST_LEN + 1];
		bool named;
	} seen[MAX_INDEXES];
	unsigned n_seen;
};

const char *oci_machine(const char *architecture)
{
	static const char *const rows[][2] = {
		{ "amd64", "x86_64" },   { "386", "i686" },        { "arm64", "aarch64" },
		{ "arm", "armv7l" },     { "riscv64", "riscv64" }, { "ppc64le", "ppc64le" },
		{ "s390x", "s390x" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (str_eq(architecture, rows[i][0]))
			return rows[i][1];
	return NULL;
}

static int bad(const char *what, struct err *e)
{
	return err_set(e, EINVAL, VZ_BAD_TEMPLATE, "read OCI image: %s", what);
}

/* ---- blobs ---- */

/* Digest of a descriptor: sha256 and nothing else. */
static int get_digest(const struct json_val *desc, char dst[DIGEST_LEN + 1], struct err *e)
{
	const char *s = json_get_str(desc, "digest", "");

	if (!str_starts(s, "sha256:") || !manifest_hex_ok(s + 7, DIGEST_LEN))
		return bad("a digest that is no sha256", e);
	(void)str_fmt(dst, DIGEST_LEN + 1, "%s", s + 7);
	return 0;
}

/* The blob behind a descriptor: there, of the size it says, with the digest it says. */
static int open_blob(const struct oci *o, const struct json_val *desc, int *ret, struct err *e)
{
	char digest[DIGEST_LEN + 1], have[DIGEST_LEN + 1], path[DIGEST_LEN + 16];
	_fd_ int fd = -1;
	struct stat st;
	int r = get_digest(desc, digest, e);

	if (r < 0)
		return r;
	(void)str_fmt(path, sizeof(path), "blobs/sha256/%s", digest);
	r = fs_open_in_root(o->dir, path, O_RDONLY, 0, S_IFREG, &fd, e);
	if (r < 0)
		return err_exit(e, VZ_BAD_TEMPLATE);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat %s", path);
	if (json_get_u64(desc, "size", UINT64_MAX) != (uint64_t)st.st_size)
		return err_set(e, EBADMSG, VZ_BAD_TEMPLATE, "read OCI image: %s has another size",
			       path);
	r = verify_digest(fd, have, e);
	if (r < 0)
		return r;
	if (!str_eq(have, digest))
		return err_set(e, EBADMSG, VZ_BAD_TEMPLATE, "read OCI image: %s has digest %s", path,
			       have);
	*ret = TAKE_FD(fd);
	return 0;
}

static int read_blob(const struct oci *o, const struct json_val *desc, struct json_val **ret,
		     struct err *e)
{
	_free_ char *text = NULL;
	_fd_ int fd = -1;
	size_t len;
	int r;

	/* before it is hashed */
	if (json_get_u64(desc, "size", UINT64_MAX) > MAX_DOC)
		return bad("a document of more than 1 MiB", e);
	r = open_blob(o, desc, &fd, e);
	if (!r)
		r = fs_read_fd(fd, "a document of the OCI image", MAX_DOC, &text, &len, e);
	if (!r)
		r = json_parse(text, len, "OCI image", ret, e);
	return r < 0 ? err_exit(e, VZ_BAD_TEMPLATE) : 0;
}

/* ---- which image ---- */

static bool is_index(const struct json_val *desc)
{
	const char *type = json_get_str(desc, "mediaType", "");

	return str_eq(type, "application/vnd.oci.image.index.v1+json") ||
	       str_eq(type, "application/vnd.docker.distribution.manifest.list.v2+json");
}

static bool is_manifest(const struct json_val *desc)
{
	const char *type = json_get_str(desc, "mediaType", "");

	return str_eq(type, "application/vnd.oci.image.manifest.v1+json") ||
	       str_eq(type, "application/vnd.docker.distribution.manifest.v2+json");
}

/* No platform: the configuration will tell. */
static bool is_ours(const struct oci *o, const struct json_val *desc)
{
	const struct json_val *p = json_get(desc, "platform");
	const char *machine;

	if (json_type(p) != JSON_OBJ)
		return true;
	machine = oci_machine(json_get_str(p, "architecture", ""));
	return str_eq(json_get_str(p, "os", ""), "linux") && machine && str_eq(machine, o->machine);
}

static bool has_ref(const struct oci *o, const struct json_val *desc, const char *digest)
{
	const char *name = json_get_str(json_get(desc, "annotations"), REF_NAME, "");

	return !o->ref || str_eq(name, o->ref) ||
	       (str_starts(o->ref, "sha256:") && str_eq(o->ref + 7, digest));
}

/* 1 when it has been searched for all that it could be searched for now. */
static int seen_before(struct oci *o, const char *digest, bool named, struct err *e)
{
	struct seen *s = o->seen, *end = s + o->n_seen;

	while (s < end && !(str_eq(s->digest, digest) && (s->named || !named)))
		s++;
	if (s < end)
		return 1;
	if (o->n_seen == MAX_INDEXES)
		return bad("more than 64 indexes", e);
	(void)str_fmt(s->digest, sizeof(s->digest), "%s", digest);
	s->named = named;
	o->n_seen++;
	return 0;
}

static int search(struct oci *o, const struct json_val *index, bool named, unsigned depth,
		  struct err *e);

static int search_nested(struct oci *o, const struct json_val *desc, bool named, unsigned depth,
			 struct err *e)
{
	struct json_val *inner = NULL;
	char digest[DIGEST_LEN + 1];
	int r = get_digest(desc, digest, e);

	if (!r && depth >= MAX_DEPTH)
		r = bad("an index within indexes", e);
	if (!r)
		r = seen_before(o, digest, named, e);
	if (r)
		return r < 0 ? r : 0;
	r = read_blob(o, desc, &inner, e);
	if (!r)
		r = search(o, inner, named, depth + 1, e);
	json_val_free(inner);
	return r;
}

/* named: an index around this one had the name that was asked for. */
static int search(struct oci *o, const struct json_val *index, bool named, unsigned depth,
		  struct err *e)
{
	const struct json_val *list = json_get(index, "manifests");
	int r = 0;

	if (json_type(list) != JSON_ARR)
		return bad("an index without manifests", e);
	for (size_t i = 0; i < json_len(list) && !r; i++) {
		const struct json_val *d = json_at(list, i);
		char digest[DIGEST_LEN + 1];
		bool wanted;

		r = get_digest(d, digest, e);
		wanted = !r && (named || has_ref(o, d, digest));
		if (r < 0 || !is_ours(o, d))
			continue;
		if (is_index(d))
			r = search_nested(o, d, wanted, depth, e);
		if (!is_manifest(d) || !wanted || str_eq(digest, o->found))
			continue;
		(void)str_fmt(o->found, sizeof(o->found), "%s", digest);
		o->n_found++;
	}
	return r;
}

static int find_image(struct oci *o, struct err *e)
{
	_free_ char *text = NULL;
	struct json_val *index = NULL;
	_fd_ int fd = -1;
	size_t len;
	int r = fs_open_in_root(o->dir, "index.json", O_RDONLY, 0, S_IFREG, &fd, e);

	if (!r)
		r = fs_read_fd(fd, "index.json", MAX_DOC, &text, &len, e);
	if (!r)
		r = json_parse(text, len, "index.json", &index, e);
	if (r < 0)
		return err_exit(e, VZ_BAD_TEMPLATE);
	r = search(o, index, o->ref == NULL, 0, e);
	json_val_free(index);
	if (r < 0)
		return r;
	if (!o->n_found)
		return err_set(e, ENOENT, VZ_BAD_TEMPLATE, "read OCI image: none for %s%s%.64s",
			       o->machine, o->ref ? " with the name " : "",
			       o->ref && !str_has_control(o->ref) ? o->ref : "");
	if (o->n_found > 1)
		return bad("there are several; name one by --ref", e);
	return 0;
}

/* ---- its layers ---- */

static int check_config(const struct oci *o, const struct json_val *manifest, struct template *t,
			struct err *e)
{
	struct json_val *config = NULL;
	const char *machine;
	int r = read_blob(o, json_get(manifest, "config"), &config, e);

	if (r < 0)
		return r;
	machine = oci_machine(json_get_str(config, "architecture", ""));
	if (!machine || !str_eq(machine, o->machine) ||
	    !str_eq(json_get_str(config, "os", "linux"), "linux"))
		r = err_set(e, EINVAL, VZ_BAD_TEMPLATE, "read OCI image: not for Linux on %s",
			    o->machine);
	else
		(void)str_fmt(t->arch, sizeof(t->arch), "%s", machine);
	json_val_free(config);
	return r;
}

static bool is_layer(const struct json_val *desc)
{
	static const char *const types[] = {
		"application/vnd.oci.image.layer.v1.tar",
		"application/vnd.oci.image.layer.v1.tar+gzip",
		"application/vnd.oci.image.layer.v1.tar+zstd",
		"application/vnd.docker.image.rootfs.diff.tar",
		"application/vnd.docker.image.rootfs.diff.tar.gzip",
	};
	const char *type = json_get_str(desc, "mediaType", "");

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (str_eq(type, types[i]))
			return true;
	return false;
}

static int open_layers(const struct oci *o, const struct json_val *manifest, int *ret_fds,
		       size_t *ret_n, struct err *e)
{
	const struct json_val *list = json_get(manifest, "layers");
	int r = 0;

	if (json_type(list) != JSON_ARR || !json_len(list))
		return bad("a manifest without layers", e);
	if (json_len(list) > UNPACK_SOURCES_MAX)
		return err_set(e, E2BIG, VZ_BAD_TEMPLATE, "read OCI image: %zu layers, at most %u",
			       json_len(list), UNPACK_SOURCES_MAX);
	for (size_t i = 0; i < json_len(list) && !r; i++) {
		const struct json_val *d = json_at(list, i);

		r = is_layer(d) ? open_blob(o, d, &ret_fds[*ret_n], e) :
				  bad("a layer of a type that is not known", e);
		*ret_n += !r;
	}
	return r;
}

int oci_open(int dir, const char *ref, int ret_fds[UNPACK_SOURCES_MAX], size_t *ret_n,
	     struct template *t, struct err *e)
{
	struct oci o = { .dir = dir, .ref = ref };
	struct json_val *manifest = NULL;
	char path[DIGEST_LEN + 16], digest[DIGEST_LEN + 1];
	_free_ char *text = NULL;
	_fd_ int fd = -1;
	struct utsname u;
	size_t len;
	int r;

	*ret_n = 0;
	if (uname(&u) < 0)
		return err_sys(e, "uname");
	o.machine = u.machine;
	r = find_image(&o, e);
	if (r < 0)
		return r;
	(void)str_fmt(path, sizeof(path), "blobs/sha256/%s", o.found);
	r = fs_open_in_root(dir, path, O_RDONLY, 0, S_IFREG, &fd, e);
	if (!r)
		r = verify_digest(fd, digest, e);
	if (!r && !str_eq(digest, o.found))
		r = err_set(e, EBADMSG, VZ_BAD_TEMPLATE, "read OCI image: %s has digest %s", path,
			    digest);
	if (!r)
		r = fs_read_fd(fd, path, MAX_DOC, &text, &len, e);
	if (!r)
		r = json_parse(text, len, "OCI manifest", &manifest, e);
	if (r < 0)
		return err_exit(e, VZ_BAD_TEMPLATE);
	r = check_config(&o, manifest, t, e);
	if (!r)
		r = open_layers(&o, manifest, ret_fds, ret_n, e);
	json_val_free(manifest);
	return r;
}
