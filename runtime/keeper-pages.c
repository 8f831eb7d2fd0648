/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving back the pages of the program file. A static glibc is touched all over when it
 * starts, and every fault maps 64 KiB around it (fault_around_bytes): 600 KiB that would stay
 * mapped as long as the VE runs, where the loop needs a fifth of it. What is unmapped comes
 * back from the page cache when it is used.
 */
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/keeper-impl.h"

static int note_segments(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	struct pages *pg = arg;

	(void)size;
	for (size_t i = 0; i < info->dlpi_phnum && pg->n < SEGMENTS; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t start = (info->dlpi_addr + ph->p_vaddr) & ~(page - 1);
		uintptr_t end = info->dlpi_addr + ph->p_vaddr + ph->p_memsz;

		/* Never written, so the file still has all of it. */
		if (ph->p_type == PT_LOAD && !(ph->p_flags & PF_W)) {
			pg->start[pg->n] = (void *)start;
			pg->len[pg->n++] = end - start;
		}
	}
	return 1;       /* the first object is the program; the vdso is not ours */
}

void pages_init(struct pages *pg)
{
	pg->n = 0;
	(void)dl_iterate_phdr(note_segments, pg);
}

void pages_shed(const struct pages *pg)
{
	for (size_t i = 0; i < pg->n; i++)
		(void)madvise(pg->start[i], pg->len[i], MADV_DONTNEED);
}
