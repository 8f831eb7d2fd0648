/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options of create about the first boot. Files are read once, whatever number of VEs is made. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "cli/xalloc.h"
#include "netns/guestconf.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define MAX_KEYS 65536
#define MAX_SCRIPT (1 << 20)

/* Lines of s; blank ones and comments are left out. */
static int add_keys(char **list, const char *s, const char *value, struct err *e)
{
	size_t have = *list ? strlen(*list) : 0, len;

	for (; *s; s += len + (s[len] == '\n')) {
		len = strcspn(s, "\n");
		if (len == strspn(s, " \t\r") || *s == '#')
			continue;
		if (!guest_key_ok(s, len))
			return err_set(e, EINVAL, VZ_BAD_VALUE,
				       "--ssh-key %.60s: not a public key such as \"ssh-ed25519 AAAA... comment\"",
				       value);
		if (have + len + 2 > MAX_KEYS)
			return err_set(e, E2BIG, VZ_BAD_VALUE, "--ssh-key: more than %d bytes of keys",
				       MAX_KEYS);
		*list = xrealloc(*list, have + len + 2, 1);
		memcpy(*list + have, s, len);
		memcpy(*list + have + len, "\n", 2);
		have += len + 1;
	}
	return 0;
}

int take_ssh_key(struct args *a, const char *value, struct err *e)
{
	_free_ char *text = NULL;
	int r = 0;

	if (!guest_key_ok(value, strlen(value)))
		r = fs_read_at(AT_FDCWD, value, MAX_KEYS, &text, NULL, e);
	if (r < 0)
		return err_set(e, -r, VZ_BAD_VALUE, "--ssh-key %.60s: neither a public key nor a file with one",
			       value);
	r = add_keys(&a->ssh_keys, text ? text : value, value, e);
	if (r == 0 && !a->ssh_keys)
		r = err_set(e, EINVAL, VZ_BAD_VALUE, "--ssh-key %.60s: no key in it", value);
	a->change.ssh_keys = a->ssh_keys;
	return r;
}

int take_user_script(struct args *a, const char *value, struct err *e)
{
	size_t len;
	int r = a->user_script ? err_set(e, EINVAL, VZ_BAD_OPTION, "--user-script: given more than once") :
		fs_read_at(AT_FDCWD, value, MAX_SCRIPT, &a->user_script, &len, e);

	if (r < 0)
		return e->exit ? r : err_exit(e, VZ_BAD_VALUE);
	if (strlen(a->user_script) != len ||
	    (!str_starts(a->user_script, "#!/") && !str_starts(a->user_script, "#cloud-config")))
		return err_set(e, EINVAL, VZ_BAD_VALUE,
			       "--user-script %.60s: begins neither with #!/ nor with #cloud-config", value);
	a->change.user_script = a->user_script;
	return 0;
}
