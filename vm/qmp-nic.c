/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Links of a q35 that runs. Its guest is asked to let go of one (ACPI) and may take its time, or not do so at all. */
#include "vm/qmp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/json.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-proc.h"
#include "vm/qemu.h"

#define LOOK_MS 50
#define FORMER_MS 6000          /* for a device that a guest has kept: QEMU asks it again after 5 s */

static int tell(int dir, const char *text, struct err *e)
{
	struct qmp *q = NULL;
	int r = qmp_open(dir, &q, e);

	if (!r)
		r = qmp_order(q, text, -1, NULL, e);
	qmp_close(q);
	return r;
}

static void nic_order(char dst[128], const char *what, const char *name)
{
	(void)str_fmt(dst, 128, "{\"execute\":\"%s\",\"arguments\":{\"id\":\"%s\"}}\n", what, name);
}

/*
 * What sits in a port is a child of its bus. A guest may hold on to what nobody else knows of; and QEMU
 * 7.2, told to plug into a port that is taken, asks the guest to let go of what is there.
 */
static int port_is_free(struct qmp *q, unsigned port, bool *ret, struct err *e)
{
	const struct json_val *list;
	struct json_val *v = NULL;
	char text[128];
	int r;

	(void)str_fmt(text, sizeof(text), "{\"execute\":\"qom-list\",\"arguments\":{\"path\":"
		      "\"/machine/peripheral/" VM_PORT "/" VM_PORT "\"}}\n", port, port);
	r = qmp_order(q, text, -1, &v, e);
	if (r < 0)
		return r;
	list = json_get(v, "return");
	*ret = true;
	for (size_t i = 0; i < json_len(list); i++)
		if (str_starts(json_get_str(json_at(list, i), "name", ""), "child["))
			*ret = false;
	json_val_free(v);
	return 0;
}

static int find_port(struct qmp *q, unsigned *ret, struct err *e)
{
	for (unsigned i = 0; i < VM_LINKS; i++) {
		bool is_free = false;
		int r = port_is_free(q, i, &is_free, e);

		*ret = i;
		if (r < 0 || is_free)
			return r;
	}
	return err_set(e, EBUSY, 0, "the guest has not let go of any former link, and no port is free");
}

static int plug(struct qmp *q, const struct qmp_nic *n, const char *name, struct err *e)
{
	unsigned port = 0;
	char mac[MAC_STRLEN], text[320];
	int r = find_port(q, &port, e);

	if (r < 0)
		return r;
	format_mac(n->mac, mac);
	(void)str_fmt(text, sizeof(text), "{\"execute\":\"device_add\",\"arguments\":{\"driver\":"
		      "\"virtio-net-pci\",\"netdev\":\"%s\",\"id\":\"%s-dev\",\"bus\":\"" VM_PORT
		      "\",\"romfile\":\"\",\"mac\":\"%s\"}}\n", name, name, port, mac);
	return qmp_order(q, text, -1, NULL, e);
}

static int add_nic(struct qmp *q, const struct qmp_nic *n, struct err *e)
{
	struct err ignored = ERR_INIT;
	char name[16], text[128];
	int r;

	vm_nic_name(name, n->index);
	(void)str_fmt(text, sizeof(text), "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"%s\"}}\n",
		      name);
	r = qmp_order(q, text, n->tap, NULL, e);
	(void)str_fmt(text, sizeof(text), "{\"execute\":\"netdev_add\",\"arguments\":{\"type\":\"tap\","
		      "\"id\":\"%s\",\"fd\":\"%s\",\"vhost\":false}}\n", name, name);
	if (!r)
		r = qmp_order(q, text, -1, NULL, e);
	if (r < 0)
		return r;
	r = plug(q, n, name, e);
	if (r < 0) {
		nic_order(text, "netdev_del", name);
		(void)!qmp_order(q, text, -1, NULL, &ignored);
	}
	return r;
}

int qmp_nic_add(int dir, const struct qmp_nic *n, struct err *e)
{
	struct qmp *q = NULL;
	bool there = false, gone = false;
	int r = qmp_nic_get(dir, n->index, &there, e);

	if (!r && there) {
		r = qmp_nic_del(dir, n->index, FORMER_MS, &gone, e);
		if (!r && !gone)
			r = err_set(e, EBUSY, 0, "the guest has not let go of the former one");
	}
	if (!r)
		r = qmp_open(dir, &q, e);
	if (r < 0)
		return r;
	r = add_nic(q, n, e);
	qmp_close(q);
	return r;
}

int qmp_nic_get(int dir, unsigned index, bool *ret, struct err *e)
{
	char name[16], text[160];
	int r;

	vm_nic_name(name, index);
	(void)str_fmt(text, sizeof(text), "{\"execute\":\"qom-get\",\"arguments\":{\"path\":"
		      "\"/machine/peripheral/%s-dev\",\"property\":\"type\"}}\n", name);
	r = tell(dir, text, e);
	if (r == -EIO)                  /* it answered: there is none */
		err_clear(e);
	else if (r < 0)
		return r;
	*ret = r == 0;
	return 0;
}

/* Asked again and again: QEMU 7.2 drops what is asked within 5 s of the last time, the guest what comes too early. */
static int unplug(int dir, unsigned index, uint64_t end, bool *ret_gone, struct err *e)
{
	static const struct timespec pause = { 0, LOOK_MS * 1000000 };
	char name[16], dev[24], text[128];
	bool there = true;
	int r;

	vm_nic_name(name, index);
	(void)str_fmt(dev, sizeof(dev), "%s-dev", name);
	nic_order(text, "device_del", dev);
	for (;;) {
		r = tell(dir, text, e);
		if (r == -EIO)
			err_clear(e);
		if (!r || r == -EIO)
			r = qmp_nic_get(dir, index, &there, e);
		if (r < 0 || !there || proc_now_us() >= end)
			break;
		(void)nanosleep(&pause, NULL);
	}
	*ret_gone = !there;
	return r;
}

int qmp_nic_del(int dir, unsigned index, unsigned timeout_ms, bool *ret_gone, struct err *e)
{
	uint64_t end = proc_now_us() + (uint64_t)timeout_ms * 1000;
	char name[16], text[128];
	int r = unplug(dir, index, end, ret_gone, e);

	if (r < 0)
		return r;
	vm_nic_name(name, index);
	nic_order(text, "netdev_del", name);
	r = tell(dir, text, e);
	if (r != -EIO)
		return r;
	err_clear(e);                   /* there was none */
	return 0;
}
