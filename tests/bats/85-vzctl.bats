#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vzctl's clients: the command lines of data/vzctl-clients.txt, each client on a host of its own.
# bats file_tags=root

load helpers/load

export BATS_TEST_TIMEOUT=$((120 * ${BERTH_PATIENCE:-1}))

names=(vzctl vzlist vzmigrate vzpid vzps vzubc vzcfgvalidate vzsplit vzmemcheck vzcpucheck vzcalc vznetaddbr vztmpl-dl)

data=$BATS_TEST_DIRNAME/data/vzctl-clients.txt

# The names, as links somewhere in PATH.
link_names() {
	local name
	mkdir "$BATS_TEST_TMPDIR/sbin"
	for name in "${names[@]}"; do
		ln -s "$BERTH" "$BATS_TEST_TMPDIR/sbin/$name"
	done
	export BERTH_ROOT=$ROOT
}

# line ARGV STATUS PATTERN
line() {
	local argv quiet='' input=
	[[ $1 != *'<<<'* ]] || eval "input=${1##*<<<}"
	eval "argv=(${1%%<<<*})"
	[[ $3 != *!* ]] || quiet=1
	run --separate-stderr host "$BATS_TEST_TMPDIR/sbin/${argv[0]}" "${argv[@]:1}" <<<"$input"
	equal "$status" "$2" "status of $1 ($stderr)" || return
	[[ ${lines[*]} == "$output" ]] || output=$(IFS='|'; echo "${lines[*]}")
	local pattern=${3%!}
	pattern=${pattern% }
	[[ -z $pattern || $output =~ $pattern ]] || fail "$1: '$output' is not '$pattern'" || return
	[[ -z $quiet || -z $stderr ]] || fail "$1: on stderr: $stderr"
}

replay() {
	local text status rest n=0
	link_names
	while IFS= read -r text; do
		status=${text##*=> }
		rest=
		[[ $status != *' '* ]] || rest=${status#* }
		line "${text%% => *}" "${status%% *}" "$rest" || return
		n=$((n + 1))
	done < <(awk -v want="[$1" 'index($0, "[") == 1 { on = index($0, want) == 1; next } on && / => / ' "$data")
	rm -f "$ROOT/etc/berth/conf/ve-ten.conf-sample"
	((n > 0)) || fail "no lines for $1"
}

@test "replay: libvirt 9.0: connect, define, start, suspend, resume, shutdown" {
	replay "libvirt 9.0"
}

@test "replay: ManageVE of resource-agents: monitor, start, monitor, stop" {
	replay "ManageVE of resource-agents"
}

@test "replay: WHMCS module: create to destroy, texts compared" {
	replay "WHMCS module"
}

@test "replay: Ansible (yaegashi) and pyinfra: read, replace addresses" {
	replay "Ansible (yaegashi) and pyinfra"
}

@test "replay: MyAdmin openvz-vps: its storm of set" {
	replay "MyAdmin openvz-vps"
}

@test "replay: Nova driver: name is a UUID, description is JSON" {
	replay "Nova driver"
}

@test "replay: Zabbix-OpenVZ and Zenoss: columns by number" {
	replay "Zabbix-OpenVZ and Zenoss"
}

@test "replay: puppet, kitchen, vpsAdmin: exit status and plain values" {
	replay "puppet, kitchen, vpsAdmin"
}

@test "replay: ploy: anything on stderr is a failure" {
	replay "ploy"
}

@test "replay: vzctl's numbers for what is wrong" {
	replay "vzctl's numbers for what is wrong"
}

@test "replay: contract: every option that a client may pass, by its spellings" {
	replay "contract"
}

@test "replay: ruby-openvz: files of its own, migrate by another name" {
	replay "ruby-openvz"
}

@test "replay: vagrant-openvz: an option a call" {
	replay "vagrant-openvz"
}

@test "replay: openvz-daemon, kitchen, go-openvz-api, FastVPS shaper, pcompact: lists for programs" {
	replay "openvz-daemon, kitchen, go-openvz-api, FastVPS shaper, pcompact"
}

@test "replay: Proxmox 1 to 3: its own lock and order" {
	replay "Proxmox 1 to 3"
}

@test "replay: camptocamp, NodeJS wrapper, ntc-templates: exact text" {
	replay "camptocamp, NodeJS wrapper, ntc-templates"
}

@test "vzctl: an archive in its template cache is a template" {
	mkdir -p "$ROOT/var/lib/berth/template/cache" "$BATS_TEST_TMPDIR/root/sbin" "$BATS_TEST_TMPDIR/root/etc"
	cp /bin/busybox "$BATS_TEST_TMPDIR/root/sbin/init"
	tar -C "$BATS_TEST_TMPDIR/root" -czf "$ROOT/var/lib/berth/template/cache/box-1-x86_64.tar.gz" .
	link_names
	host "$BATS_TEST_TMPDIR/sbin/vzctl" create 101 --ostemplate box-1-x86_64 >/dev/null
	equal "$(conf_value 101 OSTEMPLATE)" box-1-x86_64
	host "$BATS_TEST_TMPDIR/sbin/vzctl" create 102 --ostemplate box-1-x86_64.tar.gz >/dev/null
	equal "$(conf_value 102 TEMPLATE_VERSION)" "$(conf_value 101 TEMPLATE_VERSION)"
	echo nonsense >"$ROOT/var/lib/berth/template/cache/bad.tar.gz"
	refused 47 'import bad' host "$BATS_TEST_TMPDIR/sbin/vzctl" --quiet create 103 --ostemplate bad
	refused 91 'not in the store' host "$BATS_TEST_TMPDIR/sbin/vzctl" --quiet create 103 --ostemplate other.tar.gz
}

@test "replay: every client of the file is replayed" {
	local client
	while IFS= read -r client; do
		grep -qF "replay \"$client\"" "$BATS_TEST_FILENAME" || fail "not replayed: $client"
	done < <(sed -n 's/^\[\([^]:]*\).*/\1/p' "$data")
}

@test "vzctl: its helpers say which VE a process is of" {
	run_ve 101
	link_names
	local pid
	pid=$(init_pid 101)
	equal "$(host "$BATS_TEST_TMPDIR/sbin/vzpid" "$pid" 1 | awk '{ print $2 }' | tr '\n' ' ')" 'CTID 101 0 '
	run_ve 102 --cpuguarantee 10
	contains "$(host "$BATS_TEST_TMPDIR/sbin/vzpid" "$(init_pid 102)")" $'\t102\t'
	contains "$(host "$BATS_TEST_TMPDIR/sbin/vzps" -E 101)" " $pid init"
	run -1 host "$BATS_TEST_TMPDIR/sbin/vzpid" 99999999
}

@test "vzctl: a config that is no good is told by exit 2" {
	link_names
	echo 'CPUUNITS="many"' >"$BATS_TEST_TMPDIR/bad.conf"
	run -2 host "$BATS_TEST_TMPDIR/sbin/vzcfgvalidate" "$BATS_TEST_TMPDIR/bad.conf"
}

@test "install-vzcompat: names and directories, as links" {
	local to=$BATS_TEST_TMPDIR/to name conf
	make -s -C "$BERTH_BUILD" install-vzcompat DESTDIR="$to" >/dev/null
	for name in "${names[@]}"; do
		[[ -x $(echo "$to"/*/*/sbin/"$name" "$to"/*/sbin/"$name" | tr ' ' '\n' | grep -v '\*' | head -n 1) ]] ||
			fail "no $name"
	done
	[[ -L $to/vz ]]
	conf=$(echo "$to"/*/berth/berth.conf "$to"/*/*/*/berth/berth.conf | tr ' ' '\n' | grep -v '\*' | head -n 1)
	equal "$(grep -c HOST_ROOT_MOUNTS "$conf")" 1
	make -s -C "$BERTH_BUILD" uninstall-vzcompat DESTDIR="$to"
	[[ ! -e $to/vz && -z $(find "$to" -name vzctl) ]]
	run ! grep HOST_ROOT_MOUNTS "$conf"
}
