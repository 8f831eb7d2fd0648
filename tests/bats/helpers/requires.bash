# SPDX-License-Identifier: GPL-2.0-or-later
# requires WORD...: skip a test where the machine lacks something. An unknown word is a failure,
# and so is lacking what MUST_RUN names: a runner that has it must not lose the test silently.

requires() {
	local word
	for word in "$@"; do
		declare -F "has_$word" >/dev/null || fail "requires: unknown word $word" || return
		"has_$word" && continue
		[[ " ${MUST_RUN:-} " != *" $word "* ]] || fail "MUST_RUN: $word is missing" || return
		skip "needs $word"
	done
}

has_root() { [[ $EUID -eq 0 ]]; }
has_ipv6() { [[ -e /proc/net/if_inet6 ]]; }
has_cgroup_v2() { on_v2 memory; }
has_cgroup_v1() { ! on_v2 memory; }
has_two_cpus() { [[ $(nproc) -ge 2 ]]; }
has_swap() { [[ $(wc -l </proc/swaps) -gt 1 ]]; }
has_lxcfs() { pgrep -x lxcfs >/dev/null; }
has_resource() { (($(sed -n 's/^CapEff:\t/0x/p' /proc/self/status) >> 24 & 1)); }
has_host_systemd() { [[ $(</proc/1/comm) == systemd && -d /run/systemd/system ]]; }
# A sanitizer makes a command a multiple as slow, and needs more addresses than the unpacker may have.
has_plain_build() { ! grep -qa __asan_init "$BERTH"; }
has_man() { command -v man >/dev/null; }
has_script() { command -v script >/dev/null; }         # script(1)
has_cc() { command -v cc >/dev/null; }
has_lxcfs_program() { command -v lxcfs >/dev/null; }
# A kernel may be built without pressure figures, or started with psi=0.
has_psi() { [[ -e /proc/pressure/cpu ]]; }
has_strace() { command -v strace >/dev/null; }
has_prjquota() { [[ $(findmnt -no OPTIONS -T "$SCRATCH") == *prjquota* ]]; }
# Reserved by the host: without them there is nothing to limit.
has_hugepages() { [[ $(</proc/sys/vm/nr_hugepages) -ge 12 ]]; }
has_vm() { vm_possible; }
has_vlan_filtering() {
	host ip link add vf0 type bridge vlan_filtering 1 2>/dev/null && host ip link del vf0
}
has_debian_template() { [[ -e ${BERTH_TEMPLATES:-}/channels/debian-12 ]]; }
