/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames come with a virtio_net_hdr (PACKET_VNET_HDR, since 2.6.27) where they go to a link: with
 * it the kernel takes segments of 64 KiB and unfinished checksums back as it gave them. It takes
 * VLAN tags out of frames; they are put back from PACKET_AUXDATA.
 *
 * A copy carries MARK until it leaves the network namespace, and what carries it is not copied:
 * two VEs mirrored to each other's links would else fill them with copies of copies.
 */
#include "netns/mirror.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "netns/link.h"
#include "netns/nl.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define MARK 0x42724d72                 /* "BrMr" */
#define FRAME_MAX (1 << 18)             /* above every GSO frame */
#define ROOM 4                          /* for a VLAN tag before the frame */
#define QUEUE (16 << 20)
#define ROUND 256                       /* frames between two looks at the clock */
#define PCAP_MAGIC 0xa1b2c3d4           /* microseconds */
#define PCAP_ETHERNET 1

/* ---- sockets ---- */

static int set(int fd, int level, int opt, int value, const char *what, struct err *e)
{
	if (setsockopt(fd, level, opt, &value, sizeof(value)) < 0)
		return err_sys(e, "mirror: %s", what);
	return 0;
}

static int check_target(const struct mirror *m, struct err *e)
{
	_nl_ struct nl n = NL_INIT;
	unsigned index;
	int r = nl_open(&n, NETLINK_ROUTE, e);

	if (r == 0)
		r = link_index(&n, m->to, &index, e);
	if (r == -ENODEV)
		return err_set(e, ENODEV, VZ_NETDEV, "mirror: link %s does not exist", m->to);
	if (r < 0)
		return r;
	if (str_eq(m->to, m->link))
		return err_set(e, ELOOP, VZ_NETDEV, "mirror: %s is the link that is mirrored", m->to);
	if (link_is(&n, m->to, "bridge"))
		return err_set(e, ELOOP, VZ_NETDEV,
			       "mirror: %s is a bridge, whose ports would get every frame twice", m->to);
	return 0;
}

/* Ethernet, and up. */
static int check_kind(int fd, const char *link, struct err *e)
{
	struct ifreq req = { 0 };
	int flags;

	(void)str_fmt(req.ifr_name, sizeof(req.ifr_name), "%s", link);
	if (ioctl(fd, SIOCGIFFLAGS, &req) < 0)
		return err_sys(e, "mirror: look at %s", link);
	flags = req.ifr_flags;
	if (ioctl(fd, SIOCGIFHWADDR, &req) < 0)
		return err_sys(e, "mirror: look at %s", link);
	if (req.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return err_set(e, EINVAL, VZ_NETDEV, "mirror: %s is no Ethernet link", link);
	if (!(flags & IFF_UP))
		return err_set(e, ENETDOWN, VZ_NETDEV, "mirror: link %s is down", link);
	return 0;
}

/* protocol 0 receives nothing. */
static int bind_to(int fd, const char *link, uint16_t protocol, struct err *e)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(protocol) };

	at.sll_ifindex = (int)if_nametoindex(link);
	if (!at.sll_ifindex || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return err_sys(e, "mirror: bind to %s", link);
	return 0;
}

static int skip_copies(int fd, struct err *e)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_MARK)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MARK, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, FRAME_MAX),
	};
	struct sock_fprog prog = { ARRAY_SIZE(code), code };

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0)
		return err_sys(e, "mirror: attach filter");
	return 0;
}

static int open_in(const struct mirror *m, int *ret, struct err *e)
{
	_fd_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return err_sys(e, "mirror: open packet socket");
	r = check_kind(fd, m->link, e);
	if (r == 0)
		r = skip_copies(fd, e);
	if (r == 0)
		r = set(fd, SOL_SOCKET, SO_RCVBUFFORCE, QUEUE, "queue", e);
	if (r == 0)
		r = set(fd, SOL_SOCKET, SO_TIMESTAMP, 1, "time stamps", e);
	if (r == 0)
		r = set(fd, SOL_PACKET, PACKET_AUXDATA, 1, "VLAN tags", e);
	if (r == 0 && *m->to)
		r = set(fd, SOL_PACKET, PACKET_VNET_HDR, 1, "segments", e);
	if (r == 0)
		r = bind_to(fd, m->link, ETH_P_ALL, e);
	if (r == 0)
		*ret = TAKE_FD(fd);
	return r;
}

static int open_out(const struct mirror *m, int *ret, struct err *e)
{
	_fd_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return err_sys(e, "mirror: open packet socket");
	r = check_kind(fd, m->to, e);
	if (r == 0)
		r = set(fd, SOL_SOCKET, SO_MARK, MARK, "mark", e);
	if (r == 0)
		r = set(fd, SOL_PACKET, PACKET_VNET_HDR, 1, "segments", e);
	if (r == 0)
		r = bind_to(fd, m->to, 0, e);
	if (r == 0)
		*ret = TAKE_FD(fd);
	return r;
}

int mirror_open(const struct mirror *m, int *ret_in, int *ret_out, struct err *e)
{
	_fd_ int in = -1, out = -1;
	int r = *m->to ? check_target(m, e) : 0;

	if (r == 0 && *m->to)
		r = open_out(m, &out, e);
	if (r == 0)
		r = open_in(m, &in, e);
	if (r < 0)
		return r;
	*ret_in = TAKE_FD(in);
	*ret_out = TAKE_FD(out);
	return 0;
}

/* ---- one frame ---- */

struct frame {
	struct virtio_net_hdr vnet;
	struct timeval when;
	uint8_t *data;                  /* ROOM bytes into the buffer, less where a tag was put back */
	size_t len;
};

static void put_tag(struct frame *f, const struct tpacket_auxdata *aux)
{
	uint16_t tag[2] = { htons(ETH_P_8021Q), htons(aux->tp_vlan_tci) };

	if (!(aux->tp_status & TP_STATUS_VLAN_VALID) || f->len < 2 * ETH_ALEN)
		return;
	if (aux->tp_status & TP_STATUS_VLAN_TPID_VALID)
		tag[0] = htons(aux->tp_vlan_tpid);
	memmove(f->data - ROOM, f->data, 2 * ETH_ALEN);
	f->data -= ROOM;
	f->len += ROOM;
	memcpy(f->data + 2 * ETH_ALEN, tag, sizeof(tag));
	if (f->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		f->vnet.csum_start = (uint16_t)(f->vnet.csum_start + ROOM);
	if (f->vnet.hdr_len)
		f->vnet.hdr_len = (uint16_t)(f->vnet.hdr_len + ROOM);
}

static void take_notes(struct msghdr *msg, struct frame *f)
{
	struct tpacket_auxdata aux = { 0 };

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMP)
			memcpy(&f->when, CMSG_DATA(c), sizeof(f->when));
		else if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA)
			memcpy(&aux, CMSG_DATA(c), sizeof(aux));
	}
	put_tag(f, &aux);
}

/* 0, or -errno: -EAGAIN when there is none. buf: ROOM + FRAME_MAX bytes. */
static int receive(int fd, bool vnet, uint8_t *buf, struct frame *f)
{
	union {
		char room[CMSG_SPACE(sizeof(struct timeval)) +
			  CMSG_SPACE(sizeof(struct tpacket_auxdata))];
		struct cmsghdr align;
	} notes;
	struct iovec iov[] = { { &f->vnet, vnet ? sizeof(f->vnet) : 0 }, { buf + ROOM, FRAME_MAX } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2, .msg_control = notes.room,
			      .msg_controllen = sizeof(notes.room) };
	ssize_t n = recvmsg(fd, &msg, 0);

	if (n < 0)
		return -errno;
	f->data = buf + ROOM;
	f->len = (size_t)n - (n ? iov[0].iov_len : 0);
	take_notes(&msg, f);
	return 0;
}

static int forward(int fd, struct frame *f)
{
	struct iovec iov[] = { { &f->vnet, sizeof(f->vnet) }, { f->data, f->len } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	return sendmsg(fd, &msg, 0) < 0 ? -errno : 0;
}

/* ---- pcap: the classic format, in the byte order of the host ---- */

static int put_pcap_head(int fd)
{
	struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t zone, accuracy, frame_max, kind;
	} head = { PCAP_MAGIC, 2, 4, 0, 0, FRAME_MAX, PCAP_ETHERNET };

	return fs_write_all(fd, &head, sizeof(head));
}

struct pcap_frame {
	uint32_t sec, usec, len, whole_len;
};

static int put_pcap(int fd, const struct frame *f)
{
	struct pcap_frame h = { (uint32_t)f->when.tv_sec, (uint32_t)f->when.tv_usec,
				(uint32_t)f->len, (uint32_t)f->len };
	int r = fs_write_all(fd, &h, sizeof(h));

	return r < 0 ? r : fs_write_all(fd, f->data, f->len);
}

/* ---- the run ---- */

struct run {
	const struct mirror *m;
	int in, out;
	uint8_t *buf;
	uint64_t written;
	bool over;
	struct mirror_result res;
};

static void end(struct run *r, enum mirror_end why)
{
	r->over = true;
	r->res.end = why;
}

static bool is_gone(int error)
{
	return error == -ENETDOWN || error == -ENODEV || error == -ENXIO;
}

static int deliver(struct run *r, struct frame *f, struct err *e)
{
	int error;

	if (!*r->m->to) {
		uint64_t size = sizeof(struct pcap_frame) + f->len;

		if (r->written + size > r->m->max) {
			end(r, MIRROR_FULL);
			return 0;
		}
		error = put_pcap(r->m->fd, f);
		r->written += size;
		if (error == -EPIPE)    /* who read it has seen enough */
			end(r, MIRROR_STOPPED);
		else if (error < 0)
			return err_set(e, -error, VZ_IO, "mirror: write: %s", strerror(-error));
	} else {
		error = forward(r->out, f);
		if (is_gone(error))
			end(r, MIRROR_LINK_GONE);
	}
	if (error < 0) {
		r->res.dropped++;
		return 0;
	}
	r->res.frames++;
	r->res.bytes += f->len;
	return 0;
}

/* What is queued, at most ROUND. -EINVAL is a frame that no virtio_net_hdr can describe. */
static int drain(struct run *r, struct err *e)
{
	int error = 0, bad = 0;

	for (unsigned i = 0; i < ROUND && !r->over && bad == 0; i++) {
		struct frame f = { 0 };

		error = receive(r->in, *r->m->to, r->buf, &f);
		if (error == -EAGAIN)
			return 0;
		if (is_gone(error))
			end(r, MIRROR_LINK_GONE);
		else if (error == -EINVAL)
			r->res.dropped++;
		else if (error < 0 && error != -EINTR)
			bad = err_set(e, -error, VZ_NETDEV, "mirror: read: %s", strerror(-error));
		else if (error == 0)
			bad = deliver(r, &f, e);
	}
	return bad;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* What the kernel could not queue. */
static void add_lost(struct run *r)
{
	struct tpacket_stats st = { 0 };
	socklen_t len = sizeof(st);

	if (getsockopt(r->in, SOL_PACKET, PACKET_STATISTICS, &st, &len) == 0)
		r->res.dropped += st.tp_drops;
}

static int copy_all(struct run *r, struct err *e)
{
	uint64_t until = now_ms() + r->m->ms;
	sigset_t none;
	int bad = 0;

	(void)sigemptyset(&none);
	while (!r->over && bad == 0) {
		struct pollfd p = { .fd = r->in, .events = POLLIN };
		uint64_t now = now_ms(), left = now < until ? until - now : 0;
		struct timespec t = { (time_t)(left / 1000), (long)(left % 1000) * 1000000 };

		if (*r->m->stop)
			end(r, MIRROR_STOPPED);
		else if (!left)
			end(r, MIRROR_TIME);
		else if (ppoll(&p, 1, &t, &none) > 0)   /* the caller blocks its signals */
			bad = drain(r, e);
	}
	return bad;
}

int mirror_run(const struct mirror *m, int in, int out, struct mirror_result *ret, struct err *e)
{
	struct run r = { .m = m, .in = in, .out = out };
	_free_ uint8_t *buf = malloc(ROOM + FRAME_MAX);
	int error = 0;

	if (!buf)
		return err_set(e, ENOMEM, 0, "mirror: out of memory");
	r.buf = buf;
	if (!*m->to)
		error = put_pcap_head(m->fd);
	if (error < 0)
		return err_set(e, -error, VZ_IO, "mirror: write: %s", strerror(-error));
	error = copy_all(&r, e);
	if (error == 0) {
		add_lost(&r);
		*ret = r.res;
	}
	return error;
}
