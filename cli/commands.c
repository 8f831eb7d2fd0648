/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/commands.h"

#include <stddef.h>

#include "cli/opt-rows.h"
#include "util/str.h"

#define DAY 86400

/* clang-format off */
static const struct opt global_opts[] = {
	TEXT(0, "root", NULL, root, "DIR", "keep everything below DIR; also BERTH_ROOT"),
	FLAG('q', "quiet", NULL, quiet, "print only what was asked for, and errors"),
	{ OPT_COUNT, 'v', "verbose", NULL, AT(verbose), NULL,
	  "trace every step on standard error", 0, 0, 0, NULL },
	FLAG(0, "skiplock", NULL, skiplock, "accepted for vzctl's clients; locks are always taken"),
	FLAG(0, "version", NULL, version, "print the version"),
	FLAG(0, "dump-steps", NULL, dump_steps, NULL),
	FLAG(0, "dump-tables", NULL, dump_tables, NULL),
	END,
};

const struct opt common_opts[] = {
	FLAG('h', "help", NULL, help, "print this text"),
	FLAG('j', "json", NULL, json, "print JSON"),
	END,
};

#define ALL_OPT FLAG(0, "all", NULL, all, "every VE there is")

static const struct opt all_opts[] = {
	ALL_OPT,
	END,
};

#define DRY_RUN_OPT FLAG(0, "dry-run", NULL, dry_run, "say what would happen, change nothing")

static const struct opt life_opts[] = {
	ALL_OPT, DRY_RUN_OPT, END,
};

#define TAKE(name, take, arg, help) { OPT_TAKE, 0, name, NULL, 0, arg, help, 0, 0, 0, take }
#define LINK_OPTS \
	TAKE("netif_add", take_netif_add, "IFNAME[,MAC,HOST_IFNAME,HOST_MAC,BRIDGE]", "add a link"), \
	TAKE("netdev_add", take_netdev_add, "LINK", "move a link of the host in, past all filters"), \
	TAKE("ifname", take_ifname, "IFNAME", "the link that --ipadd, --ipdel, --network and these are about"), \
	TAKE("mac", take_mac, "MAC", "its MAC address inside"), \
	TAKE("host_mac", take_host_mac, "MAC", "that of the host's end"), \
	TAKE("host_ifname", take_host_ifname, "NAME", "name of the host's end"), \
	TAKE("bridge", take_bridge, "NAME", "bridge of the host that it is a port of"), \
	TAKE("mac_filter", take_mac_filter, "on|off", "drop what comes from other MAC addresses"), \
	TAKE("ip_filter", take_ip_filter, "on|off", "drop what comes from other addresses"), \
	TAKE("gw", take_gw, "ADDR", "IPv4 gateway of a bridged link, in place of its network's"), \
	TAKE("gw6", take_gw6, "ADDR", "IPv6 gateway, likewise"), \
	TAKE("allow", take_allow, "NETWORK", "it may send from these addresses too; several times")

static const struct opt create_opts[] = {
	LINK_OPTS,
	{ OPT_NUMBER, 0, "count", NULL, AT(count), "N",
	  "make N VEs; {n} in a value counts them, {id} is the number", 1, 100000, 0, NULL },
	TEXT(0, "from", NULL, from, "FILE.csv", "make a VE of every row; columns are id and options"),
	FLAG(0, "start", NULL, start, "start them too; with --count or --from"),
	FLAG(0, "dry-run", NULL, dry_run, "check everything, change nothing; with --count or --from"),
	{ OPT_NUMBER, 0, "parallel", NULL, AT(parallel), "N", "how many at a time, four per CPU otherwise",
	  1, 32, 0, NULL },
	{ OPT_TAKE, 0, "config", "applyconfig", 0, "PLAN", "start from the plan ve-PLAN.conf-sample",
	  0, 0, 0, take_config },
	{ OPT_TAKE, 0, "userpasswd", NULL, 0, "USER:PASSWORD", "set a password inside; stored nowhere else",
	  0, 0, 0, take_userpasswd },
	TAKE("ssh-key", take_ssh_key, "FILE|TEXT", "let this key in as root; several times"),
	TAKE("user-script", take_user_script, "FILE", "run it inside once, at the first boot"),
	END,
};

static const struct opt import_ve_opts[] = {
	LINK_OPTS,
	TEXT(0, "config", NULL, foreign, "FILE", "the config, where the source holds none"),
	TEXT(0, "format", NULL, format, "FORMAT", "openvz, vzdump, lxc, incus or pct, where it is not found out"),
	FLAG(0, "plan", "dry-run", plan, "only say what maps, what changes and what is lost"),
	FLAG('y', "yes", NULL, yes, "do not ask"),
	TAKE("max-size", take_max_size, "SIZE", "most that its files may take, 16G or its disk unless said otherwise"),
	TAKE("applyconfig", take_config, "PLAN", "what the source does not say comes from ve-PLAN.conf-sample"),
	{ OPT_TAKE, 0, "userpasswd", NULL, 0, "USER:PASSWORD", "set a password inside; stored nowhere else",
	  0, 0, 0, take_userpasswd },
	TAKE("ssh-key", take_ssh_key, "FILE|TEXT", "let this key in as root; several times"),
	END,
};

static const struct opt apply_opts[] = {
	FLAG(0, "plan", "dry-run", plan, "only say what would change"),
	FLAG('y', "yes", NULL, yes, "do not ask"),
	{ OPT_NUMBER, 0, "parallel", NULL, AT(parallel), "N", "how many VEs at a time, four per CPU otherwise",
	  1, 32, 0, NULL },
	END,
};

static const struct opt destroy_opts[] = {
	FLAG('y', "yes", NULL, yes, "do not ask"),
	FLAG(0, "all", NULL, all, "every VE there is; wants --yes"),
	DRY_RUN_OPT,
	END,
};

#define WAIT_OPT \
	{ OPT_MAYBE, 0, "wait", NULL, AT(wait), "SECONDS", \
	  "wait until the VE has booted, 120 seconds unless said otherwise", 1, DAY, 120, NULL }
#define TIMEOUT_OPT \
	{ OPT_NUMBER, 0, "timeout", NULL, AT(timeout), "SECONDS", \
	  "how long init may take before it is killed", 1, DAY, 0, NULL }
#define FORCE_OPT FLAG(0, "force", NULL, force, "start although it is disabled")
#define FAST_OPT FLAG(0, "fast", NULL, fast, "kill at once, do not ask init")

#define ACCEL_OPT                                                                             \
	TEXT(0, "accel", NULL, accel, "KIND", "of a virtual machine: kvm, or tcg (emulation, needs --force)")

static const struct opt start_opts[] = {
	WAIT_OPT, FORCE_OPT, ACCEL_OPT, ALL_OPT, DRY_RUN_OPT,
	IGNORED("skip-fsck"), IGNORED("skip-remount"), IGNORED("skip-ve-setup"),
	END,
};

static const struct opt stop_opts[] = {
	FAST_OPT, TIMEOUT_OPT, ALL_OPT, DRY_RUN_OPT, IGNORED("skip-umount"),
	END,
};

static const struct opt restart_opts[] = {
	WAIT_OPT, FORCE_OPT, ACCEL_OPT, FAST_OPT, TIMEOUT_OPT, ALL_OPT, DRY_RUN_OPT,
	IGNORED("skip-fsck"), IGNORED("skip-remount"), IGNORED("skip-ve-setup"),
	IGNORED("skip-umount"),
	END,
};

#define PARALLEL_OPT \
	{ OPT_NUMBER, 0, "parallel", NULL, AT(parallel), "N", \
	  "VEs to work on at once, four per CPU unless said otherwise", 1, 32, 0, NULL }

static const struct opt boot_opts[] = {
	WAIT_OPT, PARALLEL_OPT,
	END,
};

static const struct opt shutdown_opts[] = {
	FAST_OPT, PARALLEL_OPT,
	{ OPT_NUMBER, 0, "timeout", NULL, AT(timeout), "SECONDS",
	  "when all shall be over, 300 unless said otherwise", 1, DAY, 0, NULL },
	END,
};

static const struct opt set_opts[] = {
	ALL_OPT,
	FLAG(0, "save", NULL, save, "write the change to the VE's config too"),
	FLAG(0, "dry-run", NULL, dry_run, "say what would happen, change nothing"),
	{ OPT_TAKE, 0, "deadline", NULL, 0, "TIME",
	  "how long lowering memory below what is in use may take, 10s or 500ms", 0, 0, 0,
	  take_deadline },
	FLAG(0, "force", NULL, force, "save also what this host cannot enforce; with --save"),
	TEXT(0, "setmode", NULL, setmode, "restart|ignore",
	     "what to do when a change needs a restart; restart wants --save"),
	FLAG(0, "reset-ub", NULL, reset_ub, "apply the limits of the config again"),
	IGNORED("skip-arpdetect"), IGNORED("offline-resize"), IGNORED("offline"), IGNORED("crypted"),
	{ OPT_TAKE, 0, "ipdel", NULL, 0, "ADDRESS|all",
	  "take addresses away; done before any --ipadd", 0, 0, 0, take_ipdel },
	LINK_OPTS,
	TAKE("netif_del", take_netif_del, "IFNAME|all", "remove a link; done before any --netif_add"),
	TAKE("netdev_del", take_netdev_del, "LINK", "give a link back to the host"),
	{ OPT_TAKE, 0, "userpasswd", NULL, 0, "USER:PASSWORD", "set a password inside; stored nowhere else",
	  0, 0, 0, take_userpasswd },
	{ OPT_TAKE, 0, "applyconfig", NULL, 0, "PLAN", "take over the limits of the plan ve-PLAN.conf-sample",
	  0, 0, 0, take_config },
	END,
};

static const struct opt pool_set_opts[] = {
	FLAG(0, "dry-run", NULL, dry_run, "say what would happen, change nothing"),
	{ OPT_TAKE, 0, "deadline", NULL, 0, "TIME",
	  "how long lowering memory below what is in use may take, 10s or 500ms", 0, 0, 0,
	  take_deadline },
	END,
};

static const struct opt cp_opts[] = {
	FLAG('r', "recursive", NULL, recursive, "directories too, with all that is below"),
	FLAG('a', "archive", NULL, archive, "the same, with owners by number and times"),
	TAKE("owner", take_owner, "UID[:GID]", "the copy belongs to these, not to root"),
	TAKE("max-size", take_max_size, "SIZE", "most that may come out, the VE's disk and 16G otherwise"),
	{ OPT_NUMBER, 0, "timeout", NULL, AT(timeout), "SECONDS",
	  "give up then; without it when 30 seconds bring nothing", 1, DAY, 0, NULL },
	END,
};

static const struct opt enter_opts[] = {
	{ OPT_REST, 0, "exec", NULL, 0, "CMD...", "run CMD instead of a login shell", 0, 0, 0, NULL },
	END,
};

static const struct opt kernel_default_opts[] = {
	TEXT(0, "template", NULL, template, "TEMPLATE", "only those made of this template"),
	END,
};

static const struct opt list_opts[] = {
	FLAG('a', "all", NULL, all, "stopped ones too"),
	FLAG('S', "stopped", NULL, stopped, "only stopped ones"),
	FLAG('n', "names", "name", names, "names instead of host names"),
	FLAG('H', "no-header", NULL, no_header, "no header line"),
	FLAG('1', "ids", NULL, ids_only, "only IDs, one a line"),
	FLAG('t', "no-trim", NULL, no_trim, "keep blanks at the end of lines"),
	TEXT('o', "output", NULL, columns, "COLUMN,...", "these columns"),
	TEXT('s', "sort", NULL, sort, "[-]COLUMN", "sort by a column, downwards with -"),
	TEXT('h', "hostname", NULL, by_hostname, "PATTERN", "only these host names"),
	TEXT('N', "name-filter", NULL, by_name, "PATTERN", "only these names"),
	TEXT('d', "description", NULL, by_description, "PATTERN", "only these descriptions"),
	FLAG(0, "expired", NULL, expired, "only those whose last day is over, stopped ones too"),
	FLAG('L', "list", NULL, fields, "list the columns there are"),
	{ OPT_MAYBE, 0, "watch", NULL, AT(watch), "SECONDS", "again and again, every 2 seconds unless said otherwise",
	  1, DAY, 2, NULL },
	END,
};

static const struct opt traffic_opts[] = {
	TEXT(0, "month", NULL, month, "MONTH", "this month, such as 2026-11; the current one otherwise"),
	FLAG(0, "fold", NULL, fold, "only bring the ledgers up to date, print nothing"),
	ALL_OPT,
	END,
};

static const struct opt top_opts[] = {
	FLAG('1', "once", NULL, once, "print once and end; also when the output is no terminal"),
	TEXT('s', "sort", NULL, sort, "COLUMN",
	     "cpu, throttled, memory, limit, processes, read, write, received or sent"),
	TEXT('d', "delay", NULL, delay, "TIME", "time between two looks, 1s unless said otherwise"),
	END,
};

static const struct opt node_opts[] = {
	{ OPT_TAKE, 0, "config", NULL, 0, "PLAN", "count VEs of this plan; the default one otherwise",
	  0, 0, 0, take_config },
	END,
};

static const struct opt build_opts[] = {
	TEXT(0, "name", NULL, name, "NAME", "channel to put it in; the recipe's name otherwise"),
	TEXT(0, "mirror", NULL, mirror, "URL", "package mirror; the one of the host otherwise"),
	END,
};

static const struct opt sign_opts[] = {
	TEXT(0, "key", NULL, key, "FILE", "secret key of minisign"),
	END,
};

static const struct opt gc_opts[] = {
	FLAG(0, "dry-run", NULL, dry_run, "say what would go, remove nothing"),
	{ OPT_NUMBER, 0, "keep", NULL, AT(keep), "N", "keep also the last N versions of each channel before its present one",
	  0, 99, 0, NULL },
	END,
};

#define MAX_SIZE_OPT \
	TAKE("max-size", take_max_size, "SIZE", "most that its files may take, 16G unless said otherwise; of a disk 64G")

static const struct opt import_opts[] = {
	TEXT(0, "ref", NULL, ref, "NAME", "which image of an OCI layout"),
	TEXT(0, "format", NULL, format, "FORMAT", "FILE is a disk that virtual machines boot: raw, qcow2, vmdk or vhd"),
	MAX_SIZE_OPT, END,
};

static const struct opt publish_opts[] = {
	MAX_SIZE_OPT, END,
};

static const struct opt events_opts[] = {
	FLAG('f', "follow", NULL, follow, "go on as they come"),
	{ OPT_NUMBER, 'n', "last", NULL, AT(last), "N", "only the newest N", 1, 1000000, 0, NULL },
	END,
};

static const struct opt metrics_opts[] = {
	TEXT(0, "output", NULL, output, "FILE", "replace FILE at one blow, for node_exporter's textfile collector"),
	TEXT(0, "socket", NULL, socket, "PATH", "stay and answer everybody who connects to a unix socket"),
	END,
};

static const struct opt mirror_opts[] = {
	TEXT(0, "to", NULL, to, "LINK", "link of the host that the copies leave by"),
	TEXT(0, "pcap", NULL, output, "FILE", "new file that gets them in pcap's format; - for standard output"),
	{ OPT_TAKE, 0, "for", NULL, 0, "TIME", "how long, 60s unless said otherwise", 0, 0, 0, take_for },
	TEXT(0, "ifname", NULL, name, "IFNAME", "which link of the VE, eth0 unless said otherwise"),
	{ OPT_TAKE, 0, "max-size", NULL, 0, "SIZE", "most that the file may take, 256M unless said otherwise",
	  0, 0, 0, take_max_size },
	END,
};

static const struct opt expire_opts[] = {
	FLAG(0, "dry-run", NULL, dry_run, "say what would happen, change nothing"),
	END,
};

#define CHECK_OPTS \
	TEXT(0, "check", NULL, check, "CMD|tcp:PORT", \
	     "what has to work afterwards: a command inside, or a port that answers"), \
	{ OPT_TAKE, 0, "check-time", NULL, 0, "TIME", "how long it may take until it works, 30s unless said otherwise", \
	  0, 0, 0, take_check_time }
#define KEEP_OPT \
	{ OPT_TAKE, 0, "keep", NULL, 0, "TIME", "how long the way back is kept, 168h unless said otherwise", \
	  0, 0, 0, take_keep }

static const struct opt clone_opts[] = {
	{ OPT_NUMBER, 0, "count", NULL, AT(count), "N", "make N copies, numbered from NEW on", 1, 100000, 0,
	  NULL },
	FLAG(0, "live", NULL, live, "although it runs: it stands still for a moment"),
	{ OPT_TAKE, 0, "freeze", NULL, 0, "TIME", "how long that may be, 30s unless said otherwise",
	  0, 0, 0, take_freeze },
	END,
};

static const struct opt fence_opts[] = {
	TEXT(0, "forward", NULL, network.text[NR_FORWARD], "LIST",
	     "ports of the host that lead to a copy, as tcp:8080=10.0.0.5:80"),
	END,
};

static const struct opt fence_create_opts[] = {
	TEXT(0, "forward", NULL, network.text[NR_FORWARD], "LIST",
	     "ports of the host that lead to a copy, as tcp:8080=10.0.0.5:80"),
	{ OPT_NUMBER, 0, "first", NULL, AT(first), "N", "number of the first copy; else behind all there are",
	  101, 2147483644, 0, NULL },
	FLAG(0, "live", NULL, live, "although they run: each stands still for a moment"),
	{ OPT_TAKE, 0, "freeze", NULL, 0, "TIME", "how long that may be, 30s unless said otherwise",
	  0, 0, 0, take_freeze },
	FLAG(0, "start", NULL, start, "start the copies too"),
	END,
};

static const struct opt fence_delete_opts[] = {
	FLAG(0, "yes", NULL, yes, "do not ask"),
	END,
};

static const struct opt reinstall_opts[] = {
	TEXT(0, "ostemplate", NULL, to, "TEMPLATE", "another template; the VE's own otherwise"),
	FLAG(0, "skipbackup", NULL, skip_backup, "remove /old as soon as the new root has booted"),
	END,
};

static const struct opt rollout_opts[] = {
	TEXT(0, "to", NULL, to, "VERSION", "a digest or another channel"),
	TEXT(0, "canary", NULL, canary, "N|N%", "how many go first, 5% unless said otherwise"),
	CHECK_OPTS,
	{ OPT_NUMBER, 0, "parallel", NULL, AT(parallel), "N", "VEs at once, 8 unless said otherwise",
	  1, 64, 0, NULL },
	{ OPT_NUMBER, 0, "max-failures", NULL, AT(max_failures), "N",
	  "how many may fail after the canary, none unless said otherwise", 0, 1000000, 0, NULL },
	FLAG(0, "force", NULL, force, "although files of tenants hide what changes"),
	FLAG(0, "dry-run", NULL, dry_run, "say what would happen, change nothing"),
	FLAG(0, "undo", NULL, undo, "take all VEs and the channel back"),
	FLAG(0, "status", NULL, status, "the report of the last one"),
	END,
};

static const struct opt upgrade_opts[] = {
	TEXT(0, "to", NULL, to, "VERSION", "a digest or a channel; the VE's own channel otherwise"),
	CHECK_OPTS, KEEP_OPT,
	FLAG(0, "dry-run", NULL, dry_run, "say what would happen, change nothing"),
	FLAG(0, "force", NULL, force, "although files of the tenant hide what changes"),
	FLAG(0, "confirm", NULL, confirm, "it is good: give up the way back"),
	FLAG(0, "undo", NULL, undo, "go back"),
	ALL_OPT,
	END,
};

static const struct opt convert_opts[] = {
	TEXT(0, "layout", "ve-layout", name, "ploop", NULL),
	END,
};

static const struct opt logs_opts[] = {
	FLAG(0, "raw", NULL, raw, "every byte as the VE wrote it, also on a terminal"),
	END,
};

#define NET_ROW(row, name, arg, help) TEXT(0, name, NULL, network.text[row], arg, help)

static const struct opt network_opts[] = {
	NET_ROW(NR_MODE, "mode", "MODE", "routed, bridged, hostonly, nat or macvlan"),
	NET_ROW(NR_BRIDGE, "bridge", "NAME", "bridge to use; without it a bridged network has its own"),
	NET_ROW(NR_UPLINK, "uplink", "LINK", "link of the host that leads out: a port of its own bridge, or below macvlan"),
	NET_ROW(NR_VLAN, "vlan", "N", "802.1Q number of untagged frames, 1 to 4094"),
	NET_ROW(NR_TRUNK, "trunk", "LIST", "802.1Q numbers that VEs may tag themselves, as 10,20-29"),
	NET_ROW(NR_POOL, "pool", "RANGES", "its addresses, as 10.0.0.0/24 or 10.0.0.10-10.0.0.99/24"),
	NET_ROW(NR_GATEWAY, "gateway", "ADDRESSES", "where VEs send what is for others"),
	NET_ROW(NR_PROBE, "probe", "yes|no", "ask the wire for an address before a VE gets it"),
	NET_ROW(NR_FORWARD, "forward", "LIST", "ports of the host that lead to a VE, as tcp:8080=10.0.0.5:80"),
	NET_ROW(NR_HOST_SERVICES, "host-services", "LIST",
		"what its VEs reach of the host itself: icmp, tcp:53, udp:53, ..., all or none"),
	NET_ROW(NR_ISOLATED, "isolated", "yes|no", "its VEs do not reach each other"),
	NET_ROW(NR_TRUSTED, "trusted", "yes|no", "of macvlan: yes, VEs may send what they like, unseen by the host"),
	END,
};

#define VERB (CMD_ROOT | CMD_CGROUPS)
#define EACH (VERB | CMD_MANY | CMD_JSON)
#define ONE (VERB | CMD_VE)

const struct command commands[] = {
	{ "create", NULL, "[ID] [options]", "make a VE from a template",
	  ONE | CMD_NEW | CMD_PARAMS | CMD_JSON, 0, 0, create_opts, cmd_create,
	  "ID is a number from 101 on. The options are those of set; what is not given comes from\n"
	  "the plan (--config) and then from berth.conf. With --count or --from many are made at once,\n"
	  "from ID or 101 on: everything is checked first, and the same command goes on where a killed\n"
	  "one has ended.",
	  "berth create 101 --ostemplate debian-12 --ram 512M --diskspace 4G --ipadd 10.0.0.5\n"
	  "berth create 102 --ostemplate mini --config light --name web\n"
	  "berth create 1001 --count 500 --start --ostemplate mini --ram 64M --name 'web-{n}'\n"
	  "berth create --from customers.csv --ostemplate debian-12 --start\n" },
	{ "import", NULL, "SOURCE [ID] [options]", "make a VE of one of OpenVZ, Proxmox, LXC, Incus or LXD",
	  VERB | CMD_PARAMS | CMD_JSON, 1, 2, import_ve_opts, cmd_import_ve,
	  "SOURCE is an archive of vzdump, an export of Incus or LXD, a directory of LXC or a tar of it, or\n"
	  "a private area of OpenVZ, or a root as directory or tar, with --config. What becomes of every key\n"
	  "is shown first. The options are those of set and go before what the source says; what neither\n"
	  "says comes from the plan. Without ID it keeps the number that its file has.",
	  "berth import vzdump-openvz-101-2019_03_01.tar.gz --plan\n"
	  "berth import web1.tar.gz 201 --ipadd 10.0.0.21 --yes\n"
	  "berth import /vz/private/101 --config /etc/vz/conf/101.conf\n" },
	{ "destroy", "delete", "ID... [options]", "remove stopped VEs with all their data",
	  EACH, 0, 0, destroy_opts, cmd_destroy,
	  "A terminal is asked first. There is no way back.",
	  "berth destroy 101\nberth destroy --yes 101-120\n" },
	{ "apply", NULL, "FILE.json [options]", "make VEs what a file says",
	  VERB | CMD_JSON | CMD_ENTERS, 1, 1, apply_opts, cmd_apply,
	  "The file is { \"ves\": [ { \"id\": 101, \"state\": \"running\", \"ostemplate\": \"mini\", \"ram\": \"1G\" } ] };\n"
	  "members are the names that status -j prints, state is running, stopped or absent. What would\n"
	  "change is shown first; VEs that the file does not name are left alone.",
	  "berth apply fleet.json --plan\nberth apply fleet.json --yes\n" },
	{ "start", NULL, "ID... [options]", "start VEs", EACH | CMD_ENTERS | CMD_STARTS, 0, 0,
	  start_opts, cmd_start, NULL, "berth start 101 --wait\nberth start 101-120 web\nberth start --all\n" },
	{ "stop", NULL, "ID... [options]", "shut VEs down", EACH | CMD_ENTERS, 0, 0, stop_opts, cmd_stop,
	  "Init is asked in its own way and given time (STOP_TIMEOUT); then everything is killed.\n"
	  "A VE that is not running is no error.", "berth stop 101\nberth stop --fast 101-120\n" },
	{ "restart", NULL, "ID... [options]", "stop VEs and start them again",
	  EACH | CMD_ENTERS | CMD_STARTS, 0, 0, restart_opts, cmd_restart, NULL, "berth restart 101\n" },
	{ "pause", NULL, "ID... [options]", "let running VEs stand still in memory", EACH, 0, 0,
	  life_opts, cmd_pause, "No process of theirs gets CPU until unpause; memory and addresses stay.",
	  "berth pause 101\n" },
	{ "unpause", NULL, "ID... [options]", "let paused VEs go on", EACH, 0, 0, life_opts,
	  cmd_unpause, NULL, "berth unpause 101\n" },
	{ "suspend", "chkpnt", "ID... [options]", "write the memory of running VMs to disk, and end them",
	  EACH | CMD_ENTERS, 0, 0, chkpnt_opts, cmd_chkpnt,
	  "They go on from there by resume or start. Of containers it is refused (16).",
	  "berth suspend 101\n" },
	{ "resume", "restore", "ID... [options]", "let suspended or paused VEs go on",
	  EACH | CMD_ENTERS | CMD_STARTS, 0, 0, chkpnt_opts, cmd_restore, NULL, "berth resume 101\n" },
	{ "status", NULL, "ID...", "say in which state VEs are", EACH | CMD_ANY, 0, 0, all_opts, cmd_status,
	  "One line for each: CTID ID, exist or deleted, mounted or unmounted, running or down,\n"
	  "and suspended when its memory is on disk.\n"
	  "With -j everything there is to know.", "berth status 101\nberth -j status web\n" },
	{ "stat", NULL, "ID...", "what running VEs use, and what held them back", EACH, 0, 0, all_opts,
	  cmd_stat,
	  "CPU time and how long the limit stopped it, memory and kills, I/O, processes, network,\n"
	  "and pressure: the share of time in which some or all of its tasks waited for a resource.",
	  "berth stat 101\nberth stat -j --all\n" },
	{ "traffic", NULL, "ID... [options]", "what VEs have received and sent in a month", EACH, 0, 0,
	  traffic_opts, cmd_traffic,
	  "Bytes of IP packets, kept over restarts of VE and host, by day (UTC).",
	  "berth traffic --all\nberth traffic 101 --month 2026-11 -j\n" },
	{ "mount", NULL, "ID...", "mount the disks of stopped VEs on the host", EACH, 0, 0,
	  life_opts, cmd_mount, NULL, "berth mount 101\n" },
	{ "umount", NULL, "ID...", "unmount what mount has mounted", EACH, 0, 0, life_opts,
	  cmd_umount, NULL, "berth umount 101\n" },
	{ "clone", NULL, "ID NEW [options]", "copy a VE, with an identity of its own",
	  ONE | CMD_PARAMS | CMD_JSON, 1, 1, clone_opts, cmd_clone,
	  "NEW is a number. Disk, limits and template version are copied; name, addresses, MAC, host\n"
	  "name, machine-id, ssh host keys, seeds and the filesystem's UUID are not. The options of set\n"
	  "are those of the copy.",
	  "berth clone 101 201 --name web2 --ipadd 10.0.0.21\nberth clone 101 301 --count 10 --live\n" },
	{ "reinstall", NULL, "ID... [options]", "give VEs a fresh root; what was is below /old",
	  EACH | CMD_ENTERS | CMD_STARTS, 0, 0, reinstall_opts, cmd_reinstall,
	  "What the tenant wrote moves to /old; what came unchanged from the template is not in it.\n"
	  "Number, addresses and limits stay. A running VE is restarted.",
	  "berth reinstall 101\nberth reinstall 101 --ostemplate debian-13\n" },
	{ "outdated", NULL, "[ID...]", "VEs whose channel has moved on, and what differs",
	  VERB | CMD_JSON, 0, ~0U, NULL, cmd_outdated, NULL, "berth outdated\nberth outdated -j 101-120\n" },
	{ "upgrade", NULL, "ID... [options]", "move VEs to another version of their template",
	  EACH | CMD_ENTERS | CMD_STARTS, 0, 0, upgrade_opts, cmd_upgrade,
	  "Files that the tenant and the new version have both changed are looked for first. If he has\n"
	  "installed no packages, the version below his files is another one after one restart; if he\n"
	  "has, they are upgraded inside, after a snapshot. What does not boot, or does not pass the\n"
	  "check, is back where it was by itself. One that was killed goes on when called again.",
	  "berth upgrade 101 --dry-run\nberth upgrade 101 --check tcp:80\n"
	  "berth upgrade 101 --confirm\nberth upgrade 101 --undo\n" },
	{ "rollout", NULL, "CHANNEL [options]", "move all VEs of a channel to another version",
	  VERB | CMD_JSON | CMD_ENTERS | CMD_STARTS, 1, 1, rollout_opts, cmd_rollout,
	  "Each is upgraded as by upgrade. A few go first: if one of them fails, all of them go back\n"
	  "and no other is touched. The channel itself moves when all are there. One that was killed\n"
	  "or stopped goes on when called again.",
	  "berth rollout debian-12 --to 3f9c2a71b04d --check tcp:22 --canary 5% --max-failures 2\n"
	  "berth rollout debian-12 --status -j\nberth rollout debian-12 --undo\n" },
	{ "send", NULL, "ID [options]", "write a VE to standard output, all of it", ONE | CMD_ENTERS, 0, 0,
	  send_opts, cmd_send,
	  "Config, template version and disk, with a checksum: a backup, or a copy for another host.\n"
	  "Snapshots are not in it. The VE stays as it is.",
	  "berth send 101 >101.berth\nberth send 101 --live | ssh host berth receive\n" },
	{ "receive", NULL, "[ID] [options]", "make a VE of what send has written",
	  VERB | CMD_PARAMS | CMD_JSON | CMD_ENTERS, 0, 1, receive_opts, cmd_receive,
	  "From standard input. It gets its number, name and addresses back, unless ID and the options\n"
	  "of set say otherwise. Nothing is left of one that is cut or changed.",
	  "berth receive <101.berth\nberth receive 201 --name copy --ipadd auto <101.berth\n" },
	{ "archive list", NULL, "", "list archived VEs", VERB | CMD_JSON, 0, 0, NULL, cmd_archive_list, NULL,
	  "berth archive list\n" },
	{ "archive restore", NULL, "ID|FILE [options]", "bring an archived VE back",
	  VERB | CMD_PARAMS | CMD_JSON, 1, 1, NULL, cmd_archive_restore,
	  "The newest of that number, or the one of a name that archive list shows. It gets its number,\n"
	  "name and addresses back, unless the options of set say otherwise; its archive is gone then.",
	  "berth archive restore 101\nberth archive restore 101 --ipadd auto\n" },
	{ "archive delete", NULL, "ID|FILE [options]", "remove an archive", VERB, 1, 1, archive_delete_opts,
	  cmd_archive_delete, "There is no way back.", "berth archive delete 101 --yes\n" },
	{ "archive create", "archive", "ID... [options]", "put stopped VEs away, in a file each", EACH, 0, 0,
	  all_opts, cmd_archive_create,
	  "The file is read again before the VE is removed. Number, name and addresses are free then.",
	  "berth archive create 101\nberth archive 101-120\n" },
	{ "migrate", NULL, "HOST ID... [options]", "move VEs to another host, by ssh",
	  VERB | CMD_ENTERS | CMD_STARTS, 1, ~0U, migrate_opts, cmd_migrate,
	  "One that runs is stopped, moved and started there. Until the other host has all of it, it is\n"
	  "here; never can both start it. Given again after it was cut short, it goes on.",
	  "berth migrate host2 101\nberth migrate host2 101 --ssh '-p 2222' --dry-run\n" },
	{ "compact", NULL, "ID...", "give blocks that disks do not use back to the host", EACH, 0, 0,
	  all_opts, cmd_compact,
	  "Running or not. What is deleted inside goes back by itself; this is for what was not.",
	  "berth compact 101\nberth compact --all\n" },
	{ "snapshot list", "snapshot-list", "ID [options]", "list snapshots", ONE | CMD_JSON, 0, 0,
	  snapshot_list_opts, cmd_snapshot_list, "The one that the disk of now stems from has a *.",
	  "berth snapshot list 101\nberth snapshot list 101 -H -o uuid,name\n" },
	{ "snapshot switch", "snapshot-switch", "ID --id UUID [options]",
	  "put a VE on the disk and config of a snapshot",
	  ONE | CMD_JSON | CMD_ENTERS | CMD_STARTS, 0, 0, snapshot_switch_opts, cmd_snapshot_switch,
	  "What it had before becomes a snapshot of its own: there is a way back. A running VE is\n"
	  "stopped for it and started again. Name, addresses and ids stay what they are.",
	  "berth snapshot switch 101 --id before-upgrade\n" },
	{ "snapshot delete", "snapshot-delete", "ID --id UUID", "remove a snapshot", ONE, 0, 0,
	  snapshot_id_opts, cmd_snapshot_delete, "Others, made from it or not, stay as they are.",
	  "berth snapshot delete 101 --id 4b7c7d1e-9d0e-4f43-8a43-0b1d8b9e2a77\n" },
	{ "snapshot mount", "snapshot-mount", "ID --id UUID --target DIR",
	  "mount a snapshot on the host, read-only", ONE, 0, 0, snapshot_mount_opts,
	  cmd_snapshot_mount, NULL, "berth snapshot mount 101 --id daily --target /mnt\n" },
	{ "snapshot umount", "snapshot-umount", "ID --id UUID", "unmount a snapshot", ONE, 0, 0,
	  snapshot_id_opts, cmd_snapshot_umount, NULL, "berth snapshot umount 101 --id daily\n" },
	{ "snapshot create", "snapshot", "ID [options]", "keep the disk and config of this moment",
	  ONE | CMD_JSON, 0, 0, snapshot_opts, cmd_snapshot,
	  "A running VE stands still while the copy is made consistent: at once where the host's\n"
	  "filesystem shares blocks (xfs, btrfs), else for one reading of its disk.",
	  "berth snapshot create 101 --name before-upgrade\nberth snapshot 101\n" },
	{ "set", NULL, "ID... [options]", "change VEs, at once where they run",
	  EACH | CMD_PARAMS, 0, 0, set_opts, cmd_set,
	  "All changes are made, read back from the kernel, and put back together if one fails.\n"
	  "They last beyond the next start only with --save.",
	  "berth set 101 --ram 512M --cpulimit 50 --save\n"
	  "berth set 101 --ipdel all --ipadd 10.0.0.6 --save\n"
	  "berth set 101 --diskspace 8G --dry-run\nberth set 101-300 --cpuunits 500\n" },
	{ "edit", NULL, "ID", "change a VE's config in an editor", ONE, 0, 0, NULL, cmd_edit,
	  "The editor is that of VISUAL or EDITOR. What differs is checked and set as by set --save: all\n"
	  "or nothing, at once if the VE runs. Lines that are gone take effect at the next start.",
	  "berth edit 101\n" },
	{ "enter", NULL, "ID [--exec CMD...]", "a shell inside", ONE | CMD_ENTERS, 0, ~0U,
	  enter_opts, cmd_enter, NULL, "berth enter 101\nberth enter web --exec top\n" },
	{ "cp", NULL, "[options] SOURCE DESTINATION", "copy files into or out of a running VE",
	  CMD_ROOT | CMD_CGROUPS | CMD_JSON | CMD_ENTERS, 2, 2, cp_opts, cmd_cp,
	  "One of the two is ID:PATH, inside the VE, the other a path of the host, or \"-\" for standard\n"
	  "input or output. A directory that is there gets the copy in it. What is copied in belongs to\n"
	  "root inside.",
	  "berth cp site.conf web:/etc/nginx/\nberth cp -r 101:/var/log ./logs\nberth cp 101:/etc/os-release -\n" },
	{ "exec", NULL, "ID CMD...|-", "run a shell command inside; exit 8 if it fails",
	  ONE | CMD_RAW | CMD_ENTERS, 1, ~0U, NULL, cmd_exec,
	  "The words are joined with blanks for the VE's shell. \"-\" reads a script from standard\n"
	  "input.", "berth exec 101 'df -h; free'\nberth exec 101 - <script\n" },
	{ "exec2", NULL, "ID CMD...|-", "like exec, but exit with the command's own number",
	  ONE | CMD_RAW | CMD_ENTERS, 1, ~0U, NULL, cmd_exec2, NULL, "berth exec2 101 grep -q root /etc/passwd\n" },
	{ "exec3", NULL, "ID ARGV...", "run a program inside, without a shell",
	  ONE | CMD_RAW | CMD_ENTERS, 1, ~0U, NULL, cmd_exec3, NULL, "berth exec3 101 /bin/ls -l '/root/a b'\n" },
	{ "console", NULL, "ID", "attach to the console; ESC . leaves", ONE, 0, 1, NULL,
	  cmd_console, NULL, "berth console 101\n" },
	{ "runscript", NULL, "ID FILE", "run a shell script of the host inside",
	  ONE | CMD_ENTERS, 1, 1, NULL, cmd_runscript, "A VE that is not running is started for it and stopped again.",
	  "berth runscript 101 ./setup.sh\n" },
	{ "logs", NULL, "ID", "what the console has shown lately", CMD_ROOT | CMD_VE, 0, 0,
	  logs_opts, cmd_logs, NULL, "berth logs 101\n" },
	{ "events", NULL, "[ID...] [options]", "what happened to VEs", CMD_ROOT | CMD_JSON, 0, ~0U,
	  events_opts, cmd_events,
	  "Created, started, changed, stopped, destroyed; out of memory, and how a VE ended. With -j a\n"
	  "JSON object a line, so that a program can follow.",
	  "berth events 101\nberth events -f -j\n" },
	{ "expire", NULL, "[ID...] [options]", "stop or archive VEs whose last day is over",
	  VERB | CMD_JSON | CMD_ENTERS, 0, ~0U, expire_opts, cmd_expire,
	  "The day is --expires of set, the action --expire-action: warn is an event and a line here,\n"
	  "archive is archive create after a stop. An upgrade of packages that can be undone no more\n"
	  "loses its snapshot.\n"
	  "Meant to be run once a day; list --expired shows them.",
	  "berth set 101 --owner acme --expires 2027-01-31 --expire-action stop --save\n"
	  "berth expire --dry-run\n" },
	{ "list", "ls", "[ID...] [COLUMN=VALUE...] [options]", "list VEs",
	  VERB | CMD_JSON, 0, ~0U, list_opts, cmd_list,
	  "Running VEs, unless IDs, -a, -S or a filter on the status say otherwise. A filter is a\n"
	  "column, one of = != < <= > >= and a value; = takes patterns.",
	  "berth list -a -o ctid,status,ram,ip -s -ram\n"
	  "berth list 'ram>1G' 'hostname=web*'\nberth list -a -j\n" },
	{ "top", NULL, "[options]", "what running VEs use at this moment", VERB, 0, 0, top_opts, cmd_top,
	  "HELD% is the share of the time in which the CPU limit stopped a VE. Live, q ends it and a\n"
	  "letter sorts: c cpu, h held, m memory, l limit, p processes, r read, w written, i in, o out.",
	  "berth top\nberth top -1 -s memory -d 5s\n" },
	{ "node", NULL, "[options]", "what the host has, promised, uses, and what still fits",
	  VERB | CMD_JSON, 0, 0, node_opts, cmd_node,
	  "Promised are the limits of all VEs, running or not. What fits is counted without\n"
	  "overcommitment, resource by resource; the one that holds fewest ends it.",
	  "berth node\nberth node --config vswap-1g -j\n" },
	{ "metrics", NULL, "[options]", "what VEs use, as OpenMetrics text for Prometheus", VERB, 0, 0,
	  metrics_opts, cmd_metrics, NULL,
	  "berth metrics\nberth metrics --output /var/lib/prometheus/node-exporter/berth.prom\n"
	  "berth metrics --socket /run/berth/metrics.sock\n" },
	{ "pool create", NULL, "NAME [options]", "make a pool: limits that VEs share",
	  VERB | CMD_PARAMS | CMD_POOL, 1, 1, NULL, cmd_pool_create,
	  "VEs join with set --pool NAME --save or create --pool NAME. Each keeps limits of its own\n"
	  "below those of the pool.",
	  "berth pool create gold --ram 8G --cpulimit 400 --max-ves 10\n"
	  "berth set 101-105 --pool gold --save\n" },
	{ "pool set", NULL, "POOL [options]", "change a pool, at once where its VEs run, and save it",
	  VERB | CMD_PARAMS | CMD_POOL | CMD_JSON, 1, 1, pool_set_opts, cmd_pool_set, NULL,
	  "berth pool set gold --ram 12G\nberth pool set gold --cpulimit 200 --dry-run\n" },
	{ "pool delete", NULL, "POOL...", "remove pools that no VE is in", VERB, 1, ~0U, NULL,
	  cmd_pool_delete, NULL, "berth pool delete gold\n" },
	{ "pool list", NULL, "", "list pools, what they have and use", VERB | CMD_JSON, 0, 0, NULL,
	  cmd_pool_list, NULL, "berth pool list\nberth pool list -j\n" },
	{ "pool show", NULL, "POOL", "all about a pool: limits, VEs, use", VERB | CMD_JSON, 1, 1, NULL,
	  cmd_pool_show, NULL, "berth pool show gold\n" },
	{ "template build", NULL, "RECIPE [options]", "make a template: mini, debian-12, ...",
	  CMD_ROOT | CMD_JSON, 1, 1, build_opts, cmd_template_build, NULL,
	  "berth template build mini\nberth template build debian-12 --mirror http://deb.debian.org/debian\n" },
	{ "template import", NULL, "FILE|DIR NAME [options]", "make a template from an archive, OCI image or directory",
	  CMD_ROOT | CMD_JSON, 2, 2, import_opts, cmd_template_import,
	  "FILE is a root filesystem as tar, plain or by gzip, xz or zstd; DIR an OCI image layout or a\n"
	  "root filesystem. Devices are left out. Or, with --format, FILE is a disk with a system of its own.",
	  "berth template import debian-12-x86_64.tar.gz debian-12\n"
	  "berth template import server.qcow2 server --format qcow2\n" },
	{ "template publish", NULL, "ID NAME [options]", "make a template from a stopped VE",
	  CMD_ROOT | CMD_JSON, 2, 2, publish_opts, cmd_template_publish,
	  "Without what makes it this one VE: machine id, ssh host keys, random seeds.",
	  "berth template publish 101 web-golden\n" },
	{ "template list", NULL, "", "list template versions", CMD_ROOT | CMD_JSON, 0, 0, NULL,
	  cmd_template_list, NULL, "berth template list\n" },
	{ "template show", NULL, "NAME|DIGEST", "all about a template version", CMD_ROOT | CMD_JSON,
	  1, 1, NULL, cmd_template_show, NULL, "berth template show debian-12\n" },
	{ "template verify", NULL, "NAME|DIGEST...", "read images again and compare their digests",
	  CMD_ROOT | CMD_JSON, 1, ~0U, NULL, cmd_template_verify, NULL,
	  "berth template verify debian-12\n" },
	{ "template export", NULL, "NAME|DIGEST FILE", "copy a version out of the store",
	  CMD_ROOT | CMD_JSON, 2, 2, NULL, cmd_template_export,
	  "FILE is the image; beside it what is known of it: FILE.json, FILE.files, FILE.packages.",
	  "berth template export debian-12 /srv/debian-12.erofs\n" },
	{ "template gc", NULL, "[options]", "remove versions that nothing needs",
	  CMD_ROOT | CMD_JSON, 0, 0, gc_opts, cmd_template_gc,
	  "Kept is what a channel points to, and what a VE or one of its snapshots stands on.\n"
	  "What an import or a removal that was killed has left in the store goes, too.",
	  "berth template gc --dry-run\nberth template gc --keep 2\n" },
	{ "template sign", NULL, "NAME|DIGEST --key FILE", "sign a version, for those it is exported to",
	  CMD_ROOT | CMD_JSON, 1, 1, sign_opts, cmd_template_sign,
	  "FILE is a secret key of minisign without a password (minisign -G -W).",
	  "berth template sign debian-12 --key /root/minisign.key\n" },
	{ "template tag", NULL, "NAME|DIGEST CHANNEL", "let a channel point to a version",
	  CMD_ROOT, 2, 2, NULL, cmd_template_tag, NULL, "berth template tag 3f9c2a71b04d stable\n" },
	{ "template remove", NULL, "CHANNEL|DIGEST...", "remove a channel, or a version",
	  CMD_ROOT, 1, ~0U, NULL, cmd_template_remove, NULL, "berth template remove mini\n" },
	{ "boot", NULL, "[options]", "start the VEs that run whenever the host does",
	  VERB | CMD_JSON | CMD_ENTERS | CMD_STARTS, 0, 0, boot_opts, cmd_boot,
	  "VEs with --onboot yes, and those that ran when the host went down and whose config does\n"
	  "not say. The highest --bootorder is first; those of one order are started at once.",
	  "berth boot\nberth boot --wait\n" },
	{ "shutdown", NULL, "[options]", "stop every VE, for the host goes down",
	  VERB | CMD_JSON | CMD_ENTERS, 0, 0, shutdown_opts, cmd_shutdown,
	  "The lowest --bootorder is first. When the time is over the rest is killed.",
	  "berth shutdown --timeout 60\n" },
	{ "recover", NULL, "", "put right what killed commands or a power cut have left",
	  VERB | CMD_JSON | CMD_ENTERS, 0, 0, NULL, cmd_recover,
	  "The first command after a boot does this by itself.", "berth recover\n" },
	{ "network create", NULL, "NAME [options]", "make a network", CMD_ROOT | CMD_JSON, 1, 1,
	  network_opts, cmd_network_create,
	  "routed: host routes, no shared layer 2. bridged: ports of a bridge. nat: behind an address\n"
	  "of the host. hostonly: its VEs and the host. macvlan: on the wire, past the host and its filters.",
	  "berth network create lan --mode bridged --uplink eth1 --vlan 10 --pool 10.1.0.0/24\n"
	  "berth network create back --mode hostonly --pool '10.8.0.0/16 fd08::/64'\n" },
	{ "network list", NULL, "", "list networks", CMD_ROOT | CMD_JSON, 0, 0, NULL,
	  cmd_network_list, NULL, "berth network list\n" },
	{ "network show", NULL, "NAME", "all about a network", CMD_ROOT | CMD_JSON, 1, 1, NULL,
	  cmd_network_show, NULL, "berth network show lan -j\n" },
	{ "network set", NULL, "NAME [options]", "change a network", CMD_ROOT | CMD_JSON, 1, 1,
	  network_opts, cmd_network_set, "What shapes links waits until no VE runs on it.",
	  "berth network set routed --pool 203.0.113.0/24\n" },
	{ "network delete", NULL, "NAME", "remove a network that no VE names", CMD_ROOT, 1, 1, NULL,
	  cmd_network_delete, NULL, "berth network delete lan\n" },
	{ "network ptr", NULL, "[NAME]", "whose addresses are whose, for the reverse zones of DNS", CMD_ROOT | CMD_JSON,
	  0, 1, NULL, cmd_network_ptr,
	  "Records to include in a zone file, of a network or of all. A VE whose host name has no dot is a comment.",
	  "berth network ptr routed >/etc/bind/berth.ptr\n" },
	{ "network mirror", NULL, "ID --to LINK|--pcap FILE [options]", "copy what goes over a VE's link",
	  VERB | CMD_VE | CMD_JSON, 0, 0, mirror_opts, cmd_network_mirror,
	  "Every frame both ways, until the time is over, Ctrl-C, the link goes or the file is full. The\n"
	  "VE does not notice, and the audit log names who looked.",
	  "berth network mirror 101 --pcap web.pcap --for 10s\n"
	  "berth network mirror 101 --to ids0\nberth network mirror 101 --pcap - | tcpdump -nr -\n" },
	{ "fence create", NULL, "NAME ID... [options]", "copy VEs, addresses unchanged, onto a closed network",
	  VERB | CMD_JSON, 2, ~0U, fence_create_opts, cmd_fence_create,
	  "The copies have other numbers, and what they are known by inside: addresses, MACs, host names,\n"
	  "keys. They reach each other, not the originals, the host or anybody else; a forward leads in.\n"
	  "The same command goes on where a killed one has ended.",
	  "berth fence create test 101 102 105-110 --live --start\n"
	  "berth fence create test web db --forward tcp:8080=10.0.0.5:80\n" },
	{ "fence list", NULL, "", "list fences, their forwards and copies", CMD_ROOT | CMD_JSON, 0, 0,
	  NULL, cmd_fence_list, NULL, "berth fence list\n" },
	{ "fence set", NULL, "FENCE [options]", "change what leads into a fence", CMD_ROOT | CMD_JSON, 1, 1,
	  fence_opts, cmd_fence_set, NULL, "berth fence set test --forward 'tcp:8080=10.0.0.5:80 tcp:8022=10.0.0.5:22'\n" },
	{ "fence delete", NULL, "FENCE [options]", "destroy a fence with all its copies", VERB, 1, 1,
	  fence_delete_opts, cmd_fence_delete, "A terminal is asked first. There is no way back.",
	  "berth fence delete test --yes\n" },
	{ "audit list", NULL, "", "what was done, by whom and when", CMD_ROOT | CMD_JSON, 0, 0, NULL,
	  cmd_audit_list, NULL, "berth audit list\n" },
	{ "audit verify", NULL, "[HASH]", "check that nothing was changed in what was done",
	  CMD_ROOT | CMD_JSON, 0, 1, NULL, cmd_audit_verify,
	  "Prints the last hash. Noted elsewhere and given later, it shows that the end is still there.",
	  "berth audit verify\n" },
	{ "kernel import", NULL, "FILE [MODULES]", "take in a kernel for virtual machines",
	  CMD_ROOT | CMD_JSON, 1, 2, NULL, cmd_kernel_import,
	  "FILE is a Debian package linux-image-*.deb, or an image (vmlinuz) with the directory of its\n"
	  "modules (lib/modules/VERSION). The first one becomes the default.",
	  "berth kernel import linux-image-6.1.0-40-cloud-amd64_6.1.153-1_amd64.deb\n"
	  "berth kernel import /boot/vmlinuz-6.1.0-40-amd64 /lib/modules/6.1.0-40-amd64\n" },
	{ "kernel list", NULL, "", "list kernels for virtual machines", CMD_ROOT | CMD_JSON, 0, 0,
	  NULL, cmd_kernel_list, NULL, "berth kernel list\n" },
	{ "kernel default", NULL, "NAME|none [options]", "let virtual machines that name none use this one",
	  CMD_ROOT, 1, 1, kernel_default_opts, cmd_kernel_default,
	  "With --template those of that template alone, before the default of all; \"none\" ends that.",
	  "berth kernel default 6.1.0-40-cloud-amd64\n"
	  "berth kernel default --template debian-12 6.12.9-cloud-amd64\n" },
	{ "kernel remove", NULL, "NAME...", "remove kernels", CMD_ROOT, 1, ~0U, NULL,
	  cmd_kernel_remove, NULL, "berth kernel remove 6.1.0-39-cloud-amd64\n" },
	{ "host check", NULL, "", "what this host can enforce, and what is missing",
	  VERB | CMD_JSON, 0, 0, NULL, cmd_host_check, NULL, "berth host check\n" },
	{ "help", NULL, "[VERB]", "print this text, or that of a verb", 0, 0, 2, NULL, cmd_help,
	  NULL, "berth help set\n" },
	{ "_exited", NULL, "ID STATUS", NULL, ONE | CMD_RAW | CMD_HIDDEN | CMD_ENTERS, 1, 1, NULL,
	  cmd_exited, NULL, NULL },
	{ "_first-boot", NULL, "ID", NULL, ONE | CMD_HIDDEN | CMD_ENTERS, 0, 0, NULL, cmd_first_boot, NULL, NULL },
	{ "_overview", NULL, "", NULL, CMD_ROOT | CMD_CGROUPS | CMD_HIDDEN, 0, 0, NULL, cmd_overview, NULL, NULL },
	/* Whatever it was, it is an image already. */
	{ "convert", NULL, "ID [--layout ploop]", NULL, ONE | CMD_HIDDEN, 0, 0, convert_opts, cmd_nothing,
	  NULL, NULL },
	/* vzctl's quota of directories: a disk image has nothing to switch. */
	{ "quotaon", NULL, "ID", NULL, ONE | CMD_HIDDEN, 0, 0, NULL, cmd_nothing, NULL, NULL },
	{ "quotaoff", NULL, "ID", NULL, ONE | CMD_HIDDEN, 0, 0, NULL, cmd_nothing, NULL, NULL },
	{ "quotainit", NULL, "ID", NULL, ONE | CMD_HIDDEN, 0, 0, NULL, cmd_nothing, NULL, NULL },
#define COMPANION(name, opts, max, run) \
	{ name, NULL, "", NULL, VERB | CMD_HIDDEN, 0, max, opts, run, NULL, NULL }
	COMPANION("_vzpid", NULL, ~0U, cmd_vzpid),
	COMPANION("_vzps", vzps_opts, ~0U, cmd_vzps),
	COMPANION("_vzubc", NULL, ~0U, cmd_vzubc),
	COMPANION("_vzmemcheck", vzmemcheck_opts, 0, cmd_vzmemcheck),
	COMPANION("_vzcpucheck", vzmemcheck_opts, 0, cmd_vzcpucheck),
	COMPANION("_vzsplit", vzsplit_opts, 0, cmd_vzsplit),
	COMPANION("_vznetaddbr", NULL, ~0U, cmd_nothing),
	COMPANION("_vztmpl-dl", vztmpl_opts, ~0U, cmd_vztmpl_dl),
	{ "_vzcalc", NULL, "CTID", NULL, ONE | CMD_HIDDEN, 0, 0, vzmemcheck_opts, cmd_vzcalc, NULL, NULL },
	{ "_vzcfgvalidate", NULL, "FILE", NULL, CMD_HIDDEN, 1, 1, vzcfgvalidate_opts, cmd_vzcfgvalidate, NULL,
	  NULL },
	{ "_complete", NULL, "WORD...", NULL, CMD_RAW | CMD_HIDDEN, 1, ~0U, NULL, cmd_complete, NULL,
	  NULL },
	{ "--dump-steps", NULL, "", NULL, CMD_HIDDEN, 0, 0, NULL, cmd_dump_steps, NULL, NULL },
	{ "--dump-tables", NULL, "", NULL, CMD_HIDDEN, 0, 0, NULL, cmd_dump_tables, NULL, NULL },
};
/* clang-format on */

const size_t n_commands = ARRAY_SIZE(commands);

const struct command global_command = {
	.name = "berth", .flags = CMD_RAW | CMD_JSON, .max_words = ~0U, .opts = global_opts,
};
