/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/intent.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "util/str.h"

static const char *const words[] = {
	[INTENT_CREATE] = "create",
	[INTENT_FILL] = "fill",
	[INTENT_DESTROY] = "destroy",
};

static void note_path(const char *dir, uint32_t id, char dst[32])
{
	(void)str_fmt(dst, 32, "%s/%u", dir, id);
}

int intent_note(const struct inst *in, uint32_t id, enum intent what, struct err *e)
{
	char path[32];

	note_path("half", id, path);
	if (unlinkat(in->lib, path, 0) < 0 && errno != ENOENT)
		return err_sys(e, "note the %s of VE %u", words[what], id);
	if (symlinkat(words[what], in->lib, path) < 0)
		return err_sys(e, "note the %s of VE %u", words[what], id);
	return 0;
}

enum intent intent_read(const struct inst *in, uint32_t id)
{
	char path[32], word[16];
	ssize_t n;

	note_path("half", id, path);
	n = readlinkat(in->lib, path, word, sizeof(word) - 1);
	if (n <= 0)
		return INTENT_NONE;
	word[n] = '\0';
	for (size_t i = INTENT_CREATE; i < ARRAY_SIZE(words); i++)
		if (str_eq(word, words[i]))
			return (enum intent)i;
	return INTENT_NONE;
}

void intent_drop(const struct inst *in, uint32_t id)
{
	char path[32];

	note_path("half", id, path);
	(void)unlinkat(in->lib, path, 0);
}

/* A note that cannot be made costs a start after the next boot, and no more. */
void up_note(const struct inst *in, uint32_t id)
{
	char path[32];

	note_path("up", id, path);
	(void)!symlinkat("running", in->lib, path);
}

bool up_read(const struct inst *in, uint32_t id)
{
	char path[32];

	note_path("up", id, path);
	return faccessat(in->lib, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void up_drop(const struct inst *in, uint32_t id)
{
	char path[32];

	note_path("up", id, path);
	(void)unlinkat(in->lib, path, 0);
}
