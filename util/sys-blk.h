/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <sys/types.h>

/*
 * The whole disk that the file is on: rates are kept by whole disks, not by partitions. 0 when its
 * filesystem lies on no block device.
 */
dev_t blk_disk_of(int fd);
