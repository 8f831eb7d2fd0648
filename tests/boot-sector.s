# SPDX-License-Identifier: GPL-2.0-or-later
# The smallest operating system there is, for tests of machines that boot their own disk: a boot
# sector that says on the serial line where it came from, echoes, knows the power button, and resets when
# it is sent an r. Assembled and linked to 0x7c00 by tests/bats/helpers/disk.bash.
	.code16
	.text
	.globl	_start
_start:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$0x7c00, %sp
	movb	%dl, drive
	cld

	movw	$hello, %si
	call	say
	# The next sector of the disk, by the firmware's driver (INT 13h, AH=42h).
	movw	$packet, %si
	movb	$0x42, %ah
	movb	drive, %dl
	int	$0x13
	jc	failed
	movw	$0x7e00, %si
	call	say
	# How many sectors there are (AH=48h).
	movw	$params, %si
	movb	$0x48, %ah
	movb	drive, %dl
	int	$0x13
	jc	failed
	movl	params+16, %eax
	movw	$8, %cx
1:	roll	$4, %eax
	pushl	%eax
	andb	$15, %al
	cmpb	$10, %al
	jb	2f
	addb	$39, %al
2:	addb	$48, %al
	call	put
	popl	%eax
	loop	1b
	movw	$ready, %si
	call	say

	# PM1 enable register: the power button (ACPI 4.8.3.1; SeaBIOS puts the block at 0x600).
	movw	$0x602, %dx
	movw	$0x100, %ax
	outw	%ax, %dx
wait:
	movw	$0x600, %dx
	inw	%dx, %ax
	testb	$1, %ah
	jnz	off
	movw	$0x3fd, %dx
	inb	%dx, %al
	testb	$1, %al
	jz	wait
	movw	$0x3f8, %dx
	inb	%dx, %al
	cmpb	$'r', %al
	je	reset
	call	put
	jmp	wait
off:
	movw	$button, %si
	call	say
	movw	$0x604, %dx		# PM1 control: S5, now
	movw	$0x2000, %ax
	outw	%ax, %dx
reset:
	movw	$0xcf9, %dx
	movb	$6, %al
	outb	%al, %dx
failed:
	movw	$error, %si
	call	say
1:	hlt
	jmp	1b

say:	lodsb
	testb	%al, %al
	jz	1f
	call	put
	jmp	say
1:	ret

put:	pushw	%dx
	movb	%al, %ah
	movw	$0x3fd, %dx
1:	inb	%dx, %al
	testb	$0x20, %al
	jz	1b
	movb	%ah, %al
	movw	$0x3f8, %dx
	outb	%al, %dx
	popw	%dx
	ret

hello:	.asciz "booted from disk: "
ready:	.asciz " sectors, ready\r\n"
button:	.asciz "power button\r\n"
error:	.asciz "error\r\n"
drive:	.byte 0
packet:	.byte 16, 0
	.word 1, 0x7e00, 0
	.quad 1
params:	.word 30
	.org 510
	.word 0xaa55
	# Sector 1: what the boot sector reads.
	.asciz "second sector, "
	.org 1024
