/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exit numbers of the berth command. They are vzctl's (legacy numbering), because panels
 * and scripts test them; the man page berth(8) lists them.
 */
#pragma once

enum {
	VZ_OK = 0,
	VZ_SET_UBC = 1,            /* a memory, process or file limit could not be set */
	VZ_SET_CPU = 2,            /* a CPU limit could not be set */
	VZ_SYSTEM = 3,             /* a system call failed */
	VZ_NO_KERNEL_SUPPORT = 5,
	VZ_NO_RESOURCES = 6,
	VZ_ENV_CREATE = 7,         /* the environment (namespaces, init) could not be made */
	VZ_EXEC_FAILED = 8,        /* exec: the command returned non-zero */
	VZ_LOCKED = 9,
	VZ_NO_GLOBAL_CONF = 10,
	VZ_PERMISSION = 12,
	VZ_NO_CONF = 14,
	VZ_SUSPEND = 16,
	VZ_RESUME = 17,
	VZ_BAD_OPTION = 20,
	VZ_BAD_VALUE = 21,
	VZ_FEW_PARAMS = 27,
	VZ_NO_TEMPLATE_GIVEN = 29,
	VZ_NOT_RUNNING = 31,
	VZ_RUNNING = 32,
	VZ_CANNOT_STOP = 33,
	VZ_ADD_IP = 34,
	VZ_VALIDATION = 35,
	VZ_NOT_MOUNTED = 40,
	VZ_MOUNTED = 41,
	VZ_NO_PRIVATE = 43,
	VZ_PRIVATE_EXISTS = 44,
	VZ_NO_DISK_SPACE = 46,
	VZ_BAD_TEMPLATE = 47,      /* bad template, or no init in it */
	VZ_MAKE_PRIVATE = 48,
	VZ_MOUNT = 50,
	VZ_UMOUNT = 51,
	VZ_DELETE_PRIVATE = 52,
	VZ_BAD_HOSTNAME = 70,
	VZ_BAD_IP = 71,
	VZ_BAD_DNS = 72,
	VZ_BAD_SEARCH = 73,
	VZ_PASSWD = 74,
	VZ_IP_IN_USE = 78,
	VZ_HOOK = 79,
	VZ_CONF_COPY = 82,
	VZ_BAD_CONF = 85,
	VZ_DEVICES = 86,
	VZ_NO_TEMPLATE = 91,
	VZ_NETDEV = 104,
	VZ_DISABLED = 105,
	VZ_APPLYCONFIG = 109,
	VZ_VETH = 130,
	VZ_NAME = 131,
	VZ_WAIT_FAILED = 133,
	VZ_CONF_SAVE = 139,
	VZ_IO = 148,
	VZ_IMAGE_NOT_FOUND = 150,
	VZ_IMAGE_CREATE = 151,
	VZ_IMAGE_MOUNT = 152,
	VZ_IMAGE_UMOUNT = 153,
	VZ_IMAGE_RESIZE = 154,
	VZ_SNAP_CREATE = 156,
	VZ_SNAP_DELETE = 158,
	VZ_SNAP_SWITCH = 159,
	VZ_SNAP_MOUNT = 160,
	VZ_SNAP_UMOUNT = 161,
	VZ_COMPACT = 166,
	VZ_SNAP_LIST = 167,
};
