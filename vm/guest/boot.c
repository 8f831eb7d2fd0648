/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the initramfs to the VE's root: the same overlay as a container has, of the template
 * (erofs, read-only) and the VE's own ext4, with ids as they lie on disk. Options of the mounts
 * are those of storage/overlay.c and storage/image.c, for the reasons given there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "util/cleanup.h"
#include "util/str.h"
#include "vm/guest/guest.h"

#define DISK_WAIT 500           /* of 10 ms: until a device that was found has its name */
#define OVERLAY "lowerdir=/lower,upperdir=/disk/upper,workdir=/disk/work,redirect_dir=on," \
		"index=off,metacopy=off,xino=auto"

static const struct {
	const char *source, *target, *type;
	unsigned long flags;
	const char *data;
} kernel_mounts[] = {
	{ "proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "dev", "/dev", "devtmpfs", MS_NOSUID, "mode=0755" },
	{ "devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666" },
	{ "shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777" },
	{ "tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755" },
};

static const char *const moved[] = { "/proc", "/sys", "/dev", "/run" };

static int put(const char *source, const char *target, const char *type, unsigned long flags,
	       const char *data, struct err *e)
{
	if (mkdir(target, 0755) < 0 && errno != EEXIST)
		return err_sys(e, "make %s", target);
	if (mount(source, target, type, flags, data) < 0)
		return err_sys(e, "mount %s at %s", source, target);
	return 0;
}

static int mount_kernel(struct err *e)
{
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(kernel_mounts); i++)
		r = put(kernel_mounts[i].source, kernel_mounts[i].target, kernel_mounts[i].type,
			kernel_mounts[i].flags, kernel_mounts[i].data, e);
	return r;
}

/* One for hardware that this machine has not says so and is no loss: what is really missing
 * shows when it is wanted. */
static void load_modules(void)
{
	struct dirent **list;
	int n = scandir("/modules", &list, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		char path[300];
		int fd;

		if (list[i]->d_name[0] != '.') {
			(void)snprintf(path, sizeof(path), "/modules/%s", list[i]->d_name);
			fd = open(path, O_RDONLY | O_CLOEXEC);
			(void)syscall(SYS_finit_module, fd, "", 0);
			(void)close(fd);
			(void)unlink(path);
		}
		free(list[i]);
	}
	(void)rmdir("/modules");
	(void)unlink("/init");
}

static bool reads(const char *path, const char *want)
{
	char text[64];
	_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0)
		return false;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return str_eq(text, want);
}

/* The device below class whose file says this. */
static bool find_named(const char *class, const char *file, const char *want, char dst[64])
{
	_dir_ DIR *d = opendir(class);
	const struct dirent *de;
	char path[400];

	while (d && (de = readdir(d))) {
		if (de->d_name[0] == '.' ||
		    str_fmt(path, sizeof(path), "%s/%s/%s", class, de->d_name, file) < 0 ||
		    !reads(path, want))
			continue;
		return str_fmt(dst, 64, "/dev/%s", de->d_name) > 0;
	}
	return false;
}

static int find_disk(const char *serial, char dst[64], struct err *e)
{
	static const struct timespec pause = { 0, 10000000 };

	for (int i = 0; i < DISK_WAIT; i++) {
		if (find_named("/sys/block", "serial", serial, dst) && access(dst, F_OK) == 0)
			return 0;
		(void)nanosleep(&pause, NULL);
	}
	return err_set(e, ENODEV, 0, "find disk \"%s\": the kernel shows none", serial);
}

/* The host says so, not the disk. */
static bool is_whole(void)
{
	char text[2048];
	_fd_ int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0)
		return false;
	text[n] = '\0';
	return strstr(text, " " AGENT_WHOLE) != NULL;
}

static int mount_disks(struct boot *b)
{
	bool whole = is_whole();
	char dev[64];
	int r = whole ? 0 : find_disk("template", dev, &b->err);

	if (!r && !whole)
		r = put(dev, "/lower", "erofs", MS_RDONLY | MS_NODEV, NULL, &b->err);
	if (!r)
		r = find_disk("disk", dev, &b->err);
	if (!r)
		r = put(dev, "/disk", "ext4", MS_NODEV, "discard,errors=remount-ro", &b->err);
	if (r < 0)
		return r;
	b->disk = open("/disk", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return b->disk < 0 ? err_sys(&b->err, "open the disk") : 0;
}

static int move_to_new(struct err *e)
{
	char target[32];

	for (size_t i = 0; i < ARRAY_SIZE(moved); i++) {
		(void)str_fmt(target, sizeof(target), "/new%s", moved[i]);
		if (mkdir(target, 0755) < 0 && errno != EEXIST)
			return err_sys(e, "make %s", target);
		if (mount(moved[i], target, NULL, MS_MOVE, NULL) < 0)
			return err_sys(e, "move %s", moved[i]);
	}
	return 0;
}

/*
 * systemd's getty for a serial line waits for udev to announce it, which a template made for
 * containers need not have. The one for /dev/console waits for nobody; that is the same line.
 */
static void choose_getty(void)
{
	static const char *const dirs[] = { "/new/run/systemd", "/new/run/systemd/system",
					    "/new/run/systemd/system/getty.target.wants" };

	if (access("/new/usr/lib/systemd/systemd", F_OK) < 0 &&
	    access("/new/lib/systemd/systemd", F_OK) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		(void)mkdir(dirs[i], 0755);
	/* Without it there is no login on the console, and nothing else is lost. */
	if (symlink("/lib/systemd/system/console-getty.service",
		    "/new/run/systemd/system/getty.target.wants/console-getty.service") < 0)
		return;
}

/* The overlay holds the layers by itself, as does a mount of a part of the disk. */
static int switch_root(struct err *e)
{
	int r = is_whole() ? put("/disk/upper", "/new", NULL, MS_BIND, NULL, e) :
			     put("berth", "/new", "overlay", MS_NODEV, OVERLAY, e);

	if (!r)
		r = move_to_new(e);
	if (r < 0)
		return r;
	choose_getty();
	(void)umount2("/lower", MNT_DETACH);
	(void)umount2("/disk", MNT_DETACH);
	if (chdir("/new") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
	    chdir("/") < 0)
		return err_sys(e, "change to the root of the VE");
	return 0;
}

void boot_root(struct boot *b)
{
	(void)umask(022);
	if (mount_kernel(&b->err) < 0)
		return;
	load_modules();
	if (mount_disks(b) == 0 && switch_root(&b->err) == 0 && access("/sbin/init", X_OK) < 0)
		(void)err_sys(&b->err, "find /sbin/init of the VE");
}

int boot_open_port(unsigned n)
{
	char want[16], dev[64];

	(void)str_fmt(want, sizeof(want), "berth.%u", n);
	if (!find_named("/sys/class/virtio-ports", "name", want, dev))
		return -1;
	return open(dev, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}
