/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of vm/: frames, words, modules, the initramfs' format, QEMU's command line. */
#include "tests/unit/harness.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/str.h"
#include "vm/agent-proto.h"
#include "vm/cpio.h"
#include "vm/qemu.h"

TEST(a_frame_comes_back_as_it_went)
{
	uint8_t buf[AGENT_FRAME];
	struct agent_frame f;
	size_t used, n = agent_put(buf, 7, AGENT_STDOUT, "hello", 5);

	CHECK(agent_parse(buf, n, &f, &used) == 1);
	CHECK(used == n && f.type == AGENT_STDOUT && f.session == 7 && f.len == 5);
	CHECK(memcmp(f.payload, "hello", 5) == 0);
	for (size_t cut = 0; cut < n; cut++)
		CHECK(agent_parse(buf, cut, &f, &used) == 0 && used == 0);
}

TEST(zeros_end_a_frame_that_was_cut_off)
{
	static uint8_t buf[3 * AGENT_FRAME], input[AGENT_PAYLOAD];
	struct agent_frame f;
	size_t used, n, at = 0;
	int seen = 0;

	n = agent_put(buf, 1, AGENT_STDIN, input, sizeof(input));
	n = 100 + AGENT_PAYLOAD;                /* 100 bytes of it, then the zeros */
	memset(buf + 100, 0, AGENT_PAYLOAD);
	n += agent_put(buf + n, 2, AGENT_HELLO, "\1\0\0\0", 4);
	while (agent_parse(buf + at, n - at, &f, &used) > 0) {
		at += used;
		seen += f.type == AGENT_HELLO && f.session == 2;
	}
	CHECK(seen == 1);
}

TEST(a_length_that_is_too_long_is_no_head)
{
	struct agent_head h = { AGENT_MAGIC, 1, AGENT_STDOUT, AGENT_PAYLOAD + 1 };
	uint8_t buf[2 * sizeof(h)] = { 0 };
	struct agent_frame f;
	size_t used;

	memcpy(buf, &h, sizeof(h));
	CHECK(agent_parse(buf, sizeof(buf), &f, &used) == 0);
	CHECK(used > sizeof(h));
}

TEST(words_end_with_the_body)
{
	static const char body[] = "aone\0btwo\0cut";
	size_t pos = 0;
	char letter;

	CHECK_STR(agent_word(body, sizeof(body) - 1, &pos, &letter), "one");
	CHECK(letter == 'a');
	CHECK_STR(agent_word(body, sizeof(body) - 1, &pos, &letter), "two");
	CHECK(!agent_word(body, sizeof(body) - 1, &pos, &letter));
}

TEST(an_archive_is_aligned_and_ends)
{
	_fd_ int fd = memfd_create("cpio", MFD_CLOEXEC);
	struct cpio c = { .fd = fd };
	struct err e = ERR_INIT;
	char head[110];

	CHECK(cpio_add(&c, "x", S_IFREG | 0600, "abc", 3, &e) == 0);
	CHECK(c.pos == 116);                    /* 110 + 2, padded to 112, and 4 */
	CHECK(cpio_end(&c, &e) == 0);
	CHECK(c.pos % 4 == 0 && lseek(fd, 0, SEEK_END) == (off_t)c.pos);
	CHECK(pread(fd, head, sizeof(head), 0) == sizeof(head) && memcmp(head, "070701", 6) == 0);
}

static bool has(const struct vm_args *a, const char *part)
{
	for (unsigned i = 0; i < a->n; i++)
		if (strstr(a->argv[i], part))
			return true;
	return false;
}

TEST(a_disk_of_its_own_is_booted_without_kernel_and_agent)
{
	static struct vm_args a;
	struct vm_machine m = { .id = 7, .accel = VM_KVM, .type = VM_Q35, .own_disk = true, .n_links = 1,
				.ram = UINT64_C(256) << 20, .cpus = 1, .cpus_max = 1 };
	struct err e = ERR_INIT;

	CHECK(vm_args_make(&m, &a, &e) == 0);
	CHECK(has(&a, "q35,") && has(&a, "virtio-blk-pci,drive=disk") && has(&a, "bootindex=0"));
	CHECK(has(&a, "driver=raw,node-name=disk,") && has(&a, "virtio-net-pci,"));
	CHECK(!has(&a, "template") && !has(&a, "-kernel") && !has(&a, "berth.0"));
	for (unsigned i = 0; i < a.n; i++)
		CHECK(a.argv[i][0] != '/');
	m.type = VM_PC;
	CHECK(vm_args_make(&m, &a, &e) == 0);
	CHECK(has(&a, "pc,") && has(&a, "ide-hd,") && has(&a, "e1000,") && !has(&a, "virtio"));
}

TEST(a_machine_has_nothing_that_nobody_asked_for)
{
	static struct vm_args a;
	struct vm_machine m = { .id = 7, .accel = VM_KVM, .ram = UINT64_C(256) << 20, .cpus = 2,
				.cpus_max = 2, .n_links = 1 };
	struct err e = ERR_INIT;

	CHECK(vm_args_make(&m, &a, &e) == 0);
	CHECK(!a.argv[a.n]);
	CHECK(has(&a, "microvm,mem-merge=off") && has(&a, "host,-vmx,-svm"));
	CHECK(has(&a, "-nodefaults") && has(&a, "-no-user-config") && has(&a, "elevateprivileges=deny"));
	CHECK(!has(&a, "tsc_early_khz") && !has(&a, "vnc") && !has(&a, "user,") && !has(&a, "tcp"));
	/* The only paths are those of its own root. */
	for (unsigned i = 0; i < a.n; i++)
		CHECK(a.argv[i][0] != '/' || str_eq(a.argv[i], VM_KERNEL) ||
		      str_eq(a.argv[i], VM_INITRAMFS));
	m.accel = VM_TCG;
	m.tsc_khz = 2450000;
	CHECK(!has(&a, "maxcpus=") && !has(&a, "pcie"));
	m.type = VM_Q35;
	m.ram_max = UINT64_C(1) << 30;
	m.cpus_max = 4;
	CHECK(vm_args_make(&m, &a, &e) == 0);
	CHECK(has(&a, "q35,mem-merge=off") && has(&a, "tsc_early_khz=2450000") && has(&a, "virtio-mem-pci"));
	CHECK(has(&a, "256M,maxmem=1024M") && has(&a, " maxcpus=2") && has(&a, "bus=port0"));
	m.ram_max = m.ram;
	CHECK(vm_args_make(&m, &a, &e) == 0);
	CHECK(has(&a, "q35,mem-merge=off") && !has(&a, "virtio-mem-pci") && !has(&a, "maxmem"));
}

