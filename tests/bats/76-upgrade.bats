#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Patch isolation: a VE moves to another version checked, tested, and back by itself when it fails.
# bats file_tags=root

load helpers/load
export BATS_TEST_TIMEOUT=$((${BERTH_LONG:-0} * 1800 + 180 * ${BERTH_PATIENCE:-1}))

store() {
	echo "$ROOT/var/lib/berth/template"
}

# channel NAME: the version it points to.
channel() {
	berth template show "$1" -j | json -r .digest
}

# An init that ends at once when it is told to: busybox's takes two seconds.
setup() {
	common_setup
	cat >"$BATS_TEST_TMPDIR/init" <<-'END'
		#!/bin/sh
		[ "$1" != 0 ] || exec kill -TERM 1
		trap 'exit 0' TERM USR2
		[ ! -x /etc/rc ] || /etc/rc &
		while :; do
			sleep 1000 &
			wait $!
		done
	END
}

# version CHANNEL SCRIPT: the root of mini, changed by SCRIPT in it, as a new version; its digest.
version() {
	local tree=$BATS_TEST_TMPDIR/tree
	rm -rf "$tree"
	fsck.erofs --extract="$tree" "$(store)/store/$(channel mini).erofs" >/dev/null
	rm -f "$tree/sbin/init"
	install -m 0755 "$BATS_TEST_TMPDIR/init" "$tree/sbin/init"
	(cd "$tree" && sh -ec "$2")
	berth template import "$tree" "$1" >/dev/null || return
	channel "$1"
}

status_file='mkdir -p var/lib/dpkg; printf "Package: web\nStatus: install ok installed\nVersion: %s\n\nPackage: base\nStatus: install ok installed\nVersion: 1\n" '

good() { version "${1:-app}" "echo good >usr/service; printf '#!/bin/sh\nexit 0\n' >bin/health; chmod 755 bin/health; $status_file 2 >var/lib/dpkg/status; ${2:-:}"; }
old() { version "${1:-app}" "echo old >usr/service; printf '#!/bin/sh\nexit 0\n' >bin/health; chmod 755 bin/health; $status_file 1 >var/lib/dpkg/status; ${2:-:}"; }
broken() { version app "echo broken >usr/service; printf '#!/bin/sh\nexit 1\n' >bin/health; chmod 755 bin/health; $status_file 3 >var/lib/dpkg/status"; }

service_of() {
	shell "$1" 'cat /usr/service'
}

version_of() {
	conf_value "$1" TEMPLATE_VERSION
}

# A tenant's data: files of his own, one of the template that he changed, one that he removed.
tenant() {
	shell "$1" "mkdir -p /srv; dd if=/dev/urandom of=/srv/data bs=64k count=4 2>/dev/null
		echo mine-$1 >/etc/hostid; echo motd >/etc/motd; rm -f /etc/issue
		cd /; find srv etc/hostid etc/motd -type f | sort | xargs sha256sum >/root/sums"
}

tenant_intact() {
	shell "$1" 'cd / && sha256sum -c /root/sums >/dev/null && test ! -e /etc/issue'
}

run_app() {
	berth create "$1" --ostemplate app --diskspace 256M "${@:2}" >/dev/null
	berth start "$1" >/dev/null
}

@test "outdated: names the VEs behind their channel, and the packages and files that differ" {
	local a b
	a=$(old)
	berth create 101 --ostemplate app >/dev/null
	berth create 102 --ostemplate mini >/dev/null
	run -0 berth outdated
	equal "$output" ''
	b=$(good)
	run -0 berth outdated -j
	equal "$(json -r 'length' <<<"$output")" 1
	equal "$(json -r '.[0] | "\(.ctid) \(.from) \(.to) \(.files)"' <<<"$output")" "101 $a $b 2"
	equal "$(json -rc '.[0].packages' <<<"$output")" '[{"name":"web","from":"1","to":"2"}]'
	run -0 berth outdated 101
	contains "$output" 'web 2'
}

@test "upgrade: one restart, the tenant's files stay byte for byte, and back again" {
	local a b
	a=$(old)
	run_app 101
	tenant 101
	b=$(good)
	equal "$(service_of 101)" old
	run -0 berth upgrade 101 --dry-run
	contains "$output" 'by one restart'
	equal "$(version_of 101)" "$a"
	run -0 berth upgrade 101 --check /bin/health
	is_state 101 'exist mounted running'
	equal "$(service_of 101)" good
	equal "$(version_of 101)" "$b"
	tenant_intact 101
	shell 101 'echo since >/srv/since'
	run --separate-stderr berth template remove "$a"
	[[ $status -ne 0 ]]
	one_line_error 'go back'
	berth upgrade 101 --undo
	equal "$(service_of 101)" old
	tenant_intact 101
	equal "$(shell 101 'cat /srv/since')" since
	refused 21 'no upgrade' berth upgrade 101 --undo
	berth upgrade 101 --to app >/dev/null
	berth upgrade 101 --confirm
	refused 21 'no upgrade' berth upgrade 101 --undo
	berth template remove "$a"
}

@test "upgrade: a version that fails the check is taken back by itself" {
	local a
	a=$(old)
	run_app 101
	tenant 101
	broken >/dev/null
	run --separate-stderr -133 berth --quiet upgrade 101 --check /bin/health --check-time 500ms
	one_line_error 'is back on'
	contains "$stderr" '/bin/health'
	is_state 101 'exist mounted running'
	equal "$(service_of 101)" old
	equal "$(version_of 101)" "$a"
	tenant_intact 101
}

@test "upgrade: a version that does not boot is taken back by itself" {
	local a
	a=$(old)
	run_app 101
	version app 'rm -f sbin/init init; ln -s nothing sbin/init' >/dev/null
	run --separate-stderr berth --quiet upgrade 101
	[[ $status -ne 0 ]]
	one_line_error 'is back on'
	is_state 101 'exist mounted running'
	equal "$(version_of 101)" "$a"
}

@test "upgrade: --check tcp:PORT asks in the VE's own network" {
	old >/dev/null
	run_app 101
	good app 'echo "#!/bin/sh" >etc/rc; echo "while :; do nc -l -p 8080; done" >>etc/rc; chmod 755 etc/rc' >/dev/null
	berth upgrade 101 --check tcp:8080 --check-time 5s >/dev/null
	equal "$(service_of 101)" good
	berth upgrade 101 --undo
	run --separate-stderr -133 berth --quiet upgrade 101 --check tcp:8081 --check-time 500ms
	one_line_error 'tcp:8081'
	equal "$(service_of 101)" old
}

@test "upgrade: a stopped VE stays stopped, with --check after being tried" {
	local b
	old >/dev/null
	berth create 101 --ostemplate app >/dev/null
	b=$(good)
	berth upgrade 101 >/dev/null
	is_state 101 'exist unmounted down'
	equal "$(version_of 101)" "$b"
	broken >/dev/null
	run --separate-stderr -133 berth --quiet upgrade 101 --check /bin/health --check-time 300ms
	is_state 101 'exist unmounted down'
	equal "$(version_of 101)" "$b"
}

@test "upgrade: files of the tenant that would hide the change are found first" {
	local a
	a=$(old)
	run_app 101
	shell 101 'echo patched >/usr/service; echo x >/usr/own; echo y >/etc/own'
	good app 'echo new >etc/own; echo fresh >usr/fresh' >/dev/null
	refused 35 '/usr/service' berth upgrade 101
	equal "$(version_of 101)" "$a"
	is_state 101 'exist mounted running'
	run -0 berth upgrade 101 --dry-run -j
	equal "$(json -rc '[.files[] | [.path, .hides]] | sort' <<<"$output")" \
		'[["/etc/own",false],["/usr/service",true]]'
	berth upgrade 101 --force >/dev/null
	equal "$(shell 101 'cat /usr/service /usr/fresh')" "$(printf 'patched\nfresh')"
	berth upgrade 101 --confirm
	# A directory that the tenant removed hides all that is in the new one.
	shell 101 'rm -rf /usr/lib && mkdir /usr/lib'
	old app 'mkdir -p usr/lib; echo other >usr/lib/file' >/dev/null
	refused 35 'hide what' berth upgrade 101
}

# The tenant has installed something, and has what would be his package manager: it does what he
# would see of a real one.
own_packages() {
	shell "$1" 'mkdir -p /usr/bin; cat >/usr/bin/apt-get; chmod 755 /usr/bin/apt-get; sed -i s/base/mine/ /var/lib/dpkg/status' <<-'END'
		#!/bin/sh
		case "$*" in
		*dist-upgrade*) sed -i 's/Version: 1/Version: 2/' /var/lib/dpkg/status; echo upgraded >/usr/service ;;
		esac
	END
}

@test "upgrade: with packages of his own it is his package manager, after a snapshot" {
	local a
	a=$(old)
	run_app 101
	tenant 101
	own_packages 101
	good >/dev/null
	run -0 berth upgrade 101 --dry-run
	contains "$output" 'package manager'
	berth upgrade 101 --check /bin/health >/dev/null
	equal "$(service_of 101)" upgraded
	equal "$(version_of 101)" "$a"
	tenant_intact 101
	contains "$(berth snapshot list 101 -H -o name)" before-upgrade
	berth upgrade 101 --undo
	equal "$(service_of 101)" old
	contains "$(shell 101 'cat /var/lib/dpkg/status')" 'Version: 1'
	# One that fails leaves nothing of itself.
	shell 101 'echo "echo half >/usr/service; exit 1" >>/usr/bin/apt-get'
	run --separate-stderr berth --quiet upgrade 101
	[[ $status -ne 0 ]]
	one_line_error 'package manager inside failed'
	equal "$(service_of 101)" old
}

@test "upgrade: bad input is one line and changes nothing" {
	local a
	a=$(old)
	berth create 101 --ostemplate app >/dev/null
	refused 91 'not in the store' berth upgrade 101 --to nowhere
	refused 91 'no name' berth upgrade 101 --to ../../etc
	refused 21 'tcp:PORT' berth upgrade 101 --check tcp:99999
	refused 21 'not a time' berth upgrade 101 --check-time soon
	refused 20 'exclude' berth upgrade 101 --undo --confirm
	refused 14 'does not exist' berth upgrade 999
	refused 21 'no upgrade' berth upgrade 101 --confirm
	equal "$(version_of 101)" "$a"
	run -0 berth upgrade 101
	contains "$output" already
}

# Who waits for the VE's lock while the upgrade stops it has it next, and starts what there was.
@test "upgrade: somebody who starts the VE whenever it is down starts the old version in vain" {
	local b upgrade
	old >/dev/null
	run_app 101
	b=$(good)
	# A stop takes as long as its script: somebody waits behind each.
	printf '#!/bin/sh\nsleep 1\n' >"$ROOT/etc/berth/conf/101.stop"
	chmod 0755 "$ROOT/etc/berth/conf/101.stop"
	berth upgrade 101 --check /bin/health >/dev/null 3>&- &
	upgrade=$!
	while kill -0 "$upgrade" 2>/dev/null; do
		berth start 101 >/dev/null 2>&1 || sleep 0.01
	done
	wait "$upgrade"
	equal "$(version_of 101)" "$b"
	equal "$(service_of 101)" good
	# The same on the way back.
	berth upgrade 101 --undo >/dev/null 3>&- &
	upgrade=$!
	while kill -0 "$upgrade" 2>/dev/null; do
		berth start 101 >/dev/null 2>&1 || sleep 0.01
	done
	wait "$upgrade"
	equal "$(service_of 101)" old
}

# ---- kills ----

@test "upgrade: of packages, what a kill leaves of a confirm or an undo the next one ends" {
	old >/dev/null
	run_app 101
	own_packages 101
	good >/dev/null
	berth upgrade 101 >/dev/null
	BERTH_FAULT='snapshot-delete/remove!' run berth upgrade 101 --confirm
	[[ $status -ne 0 ]] || fail 'survived the confirm'
	berth upgrade 101 --confirm
	refused 21 'no upgrade' berth upgrade 101 --confirm
	equal "$(berth snapshot list 101 -H -o name)" ''
	equal "$(service_of 101)" upgraded
	# Made, and not yet noted as made.
	BERTH_FAULT='snapshot/current!' run berth upgrade 101
	[[ $status -ne 0 ]] || fail 'survived the snapshot'
	berth upgrade 101 --undo
	equal "$(berth snapshot list 101 -H -o name)" ''
	is_state 101 'exist mounted running'
}

@test "upgrade: of packages, a way back that was cut short after the switch does not switch again" {
	old >/dev/null
	run_app 101
	own_packages 101
	good >/dev/null
	berth upgrade 101 >/dev/null
	BERTH_FAULT=start/cgroup run berth upgrade 101 --undo
	[[ $status -ne 0 ]] || fail 'it started'
	berth start 101 >/dev/null
	equal "$(service_of 101)" old
	shell 101 'echo since >/since; sync'
	berth upgrade 101 --undo
	equal "$(service_of 101)" old
	equal "$(shell 101 'cat /since')" since
	equal "$(berth snapshot list 101 -H -o name | wc -l)" 2
	refused 21 'no upgrade' berth upgrade 101 --undo
}

@test "upgrade: of packages, without its snapshot there is no way back and nothing stands still for it" {
	local pid
	old >/dev/null
	run_app 101
	own_packages 101
	good >/dev/null
	berth upgrade 101 >/dev/null
	berth snapshot delete 101 --id before-upgrade >/dev/null
	pid=$(init_pid 101)
	run --separate-stderr berth --quiet upgrade 101 --undo
	[[ $status -ne 0 ]]
	one_line_error 'is gone'
	equal "$(init_pid 101)" "$pid"
	berth upgrade 101 >/dev/null
	berth snapshot delete 101 --id before-upgrade >/dev/null
	berth upgrade 101 --confirm
	equal "$(service_of 101)" upgraded
}

@test "upgrade: of packages, the snapshot goes when its time is over, and when the next one begins" {
	old >/dev/null
	run_app 101
	own_packages 101
	good >/dev/null
	berth upgrade 101 --keep 1h >/dev/null
	equal "$(berth expire)" ''
	sed -i 's/"expires": *[0-9]*/"expires": 1/' "$ROOT/var/lib/berth/private/101/upgrade.json"
	equal "$(berth expire --dry-run)" 'CT 101: undo of its upgrade expired, would be confirmed'
	equal "$(berth snapshot list 101 -H -o name)" before-upgrade
	equal "$(berth expire -j | jq -c '.[] | [.ctid, .done]')" '[101,"confirmed"]'
	equal "$(berth snapshot list 101 -H)" ''
	equal "$(berth expire)" ''
	equal "$(service_of 101)" upgraded
	berth upgrade 101 >/dev/null
	version app "echo third >usr/service; $status_file 3 >var/lib/dpkg/status" >/dev/null
	berth upgrade 101 >/dev/null
	equal "$(berth snapshot list 101 -H -o name | wc -l)" 1
}

@test "upgrade: a note that a newer berth has made is refused, not forgotten" {
	local a
	a=$(old)
	run_app 101
	good >/dev/null
	berth upgrade 101 >/dev/null
	sed -i 's/"kept"/"later"/' "$ROOT/var/lib/berth/private/101/upgrade.json"
	refused 3 'phase "later" is unknown' berth upgrade 101 --undo
	refused 3 'phase "later" is unknown' berth upgrade 101
	refused 3 'go back' berth template remove "$a"
	is_state 101 'exist mounted running'
}

@test "upgrade: an undo that was cut short is not taken for an upgrade" {
	local a b
	a=$(old)
	run_app 101
	b=$(good next)
	berth upgrade 101 --to next >/dev/null
	BERTH_FAULT=start/cgroup run berth upgrade 101 --undo
	[[ $status -ne 0 ]] || fail 'it started'
	refused 9 'taken back' berth --quiet upgrade 101 --to next
	run --separate-stderr -133 berth --quiet rollout app --to next
	one_line_error 'taken back'
	run -0 berth upgrade 101
	lacks "$output" "${b:0:12}"
	equal "$(version_of 101)" "$a"
	berth --quiet rollout app --to next
	equal "$(version_of 101)" "$b"
}

@test "upgrade: killed at every point, the next call ends it" {
	local a b point
	a=$(old)
	run_app 101
	tenant 101
	b=$(good)
	for point in swap check keep; do
		# shellcheck disable=SC2097,SC2098
		BERTH_FAULT="upgrade/$point!" run host "$BERTH" --root "$ROOT" upgrade 101 --check /bin/health
		[[ $status -ne 0 ]] || fail "survived $point"
		berth list -a -H >/dev/null
		refused 9 'was begun' berth --quiet upgrade 101 --to mini
		berth upgrade 101 >/dev/null
		equal "$(service_of 101)" good "after $point"
		equal "$(version_of 101)" "$b"
		# shellcheck disable=SC2097,SC2098
		BERTH_FAULT='upgrade/return!' run host "$BERTH" --root "$ROOT" upgrade 101 --undo
		[[ $status -ne 0 ]] || fail 'survived the way back'
		berth upgrade 101 --undo >/dev/null 2>&1 || berth upgrade 101 >/dev/null
		equal "$(version_of 101)" "$a"
		is_state 101 'exist mounted running'
		equal "$(service_of 101)" old
		tenant_intact 101
	done
}

# BERTH_LONG=1 for fifty kills instead of two.
@test "upgrade: killed at random moments, then called again, ends as without a kill" {
	local a b KILLED=0
	a=$(old)
	run_app 101
	tenant 101
	b=$(good)
	while ((KILLED < ${BERTH_LONG:+48} + 2)); do
		kill_soon 400 upgrade 101 --check /bin/health
		berth upgrade 101 --check /bin/health >/dev/null
		equal "$(version_of 101)" "$b" "after kill $KILLED"
		equal "$(service_of 101)" good
		tenant_intact 101
		berth upgrade 101 --undo >/dev/null
		equal "$(service_of 101)" old
	done
	[[ -n $a ]]
}

# ---- roll-out ----

# fleet N: VEs of the channel, running, each with data of its tenant.
fleet() {
	local id
	for id in $(seq 101 $((100 + $1))); do
		berth create "$id" --ostemplate app --diskspace 256M >/dev/null
	done
	berth start "101-$((100 + $1))" >/dev/null
	for id in $(seq 101 $((100 + $1))); do tenant "$id"; done
}

# all N SERVICE: every VE runs, shows that service, and its tenant's files are what they were.
all() {
	local id
	for id in $(seq 101 $((100 + $1))); do
		is_state "$id" 'exist mounted running' || fail "$id is down" || return
		equal "$(service_of "$id")" "$2" "service of $id" || return
		tenant_intact "$id" || fail "files of $id" || return
	done
}

pids() {
	local id
	for id in $(seq 101 $((100 + $1))); do init_pid "$id"; done
}

# The whole proof, on 20 VEs, with BERTH_LONG=1, on 8 without.
@test "rollout: a broken version stops at the canary, a good one gets through, and back again" {
	local n=$((${BERTH_LONG:+12} + 8)) a b before
	a=$(old)
	fleet "$n"
	b=$(broken)
	berth template tag "$a" app
	before=$(pids "$n")
	run --separate-stderr -133 berth rollout app --to "$b" --canary 25% --check /bin/health --check-time 400ms -j
	one_line_error 'nothing else was touched' || contains "$stderr" 'nothing else was touched'
	equal "$(json -r '.phase' <<<"$output")" failed
	equal "$(json -r '.todo' <<<"$output")" $((n - (n + 3) / 4))
	all "$n" old
	equal "$(pids "$n" | tail -$((n - (n + 3) / 4)))" "$(tail -$((n - (n + 3) / 4)) <<<"$before")" 'VEs outside the canary'
	equal "$(channel app)" "$a"

	b=$(good next)
	run -0 berth rollout app --to next --canary 5% --check /bin/health -j
	equal "$(json -r '"\(.phase) \(.ok) \(.failed) \(.canary)"' <<<"$output")" "done $n 0 1"
	all "$n" good
	equal "$(channel app)" "$b"
	run -0 berth rollout app --undo
	contains "$output" "$n back"
	all "$n" old
	equal "$(channel app)" "$a"
}

@test "rollout: up to max-failures are left behind, one more stops it" {
	local id
	old >/dev/null
	fleet 4
	# Two tenants hide the change: their VEs refuse.
	for id in 103 104; do shell "$id" 'echo mine >/usr/service'; done
	good next >/dev/null
	run --separate-stderr -133 berth --quiet rollout app --to next --max-failures 1 --parallel 1
	contains "$stderr" '2 have failed'
	equal "$(berth rollout app --status -j | json -r '"\(.phase) \(.ok) \(.failed)"')" 'failed 2 2'
	berth --quiet rollout app --undo
	equal "$(service_of 101)" old
	run -0 berth --quiet rollout app --to next --max-failures 2 --parallel 1
	equal "$(service_of 102)" good
	equal "$(service_of 103)" mine
	equal "$(channel app)" "$(channel next)"
}

@test "rollout: a VE that was destroyed since holds up neither the way on nor the way back" {
	local b
	old >/dev/null
	for b in 101 102 103; do berth create "$b" --ostemplate app --diskspace 256M >/dev/null; done
	b=$(good next)
	BERTH_FAULT='rollout/canary!' run berth rollout app --to next --canary 1
	[[ $status -ne 0 ]] || fail survived
	berth destroy 103 >/dev/null
	berth --quiet rollout app
	equal "$(version_of 102)" "$b"
	equal "$(berth rollout app --status -j | json -r .phase)" 'done'
	berth destroy 102 >/dev/null
	berth --quiet rollout app --undo
	equal "$(berth rollout app --status -j | json -r .phase)" undone
	[[ $(version_of 101) != "$b" ]] || fail '101 has stayed'
}

@test "rollout: bad input is one line and changes nothing" {
	old >/dev/null
	berth create 101 --ostemplate app >/dev/null
	refused 27 '--to VERSION' berth rollout app
	refused 21 'no channel name' berth rollout ../app --to app
	refused 91 'not in the store' berth rollout app --to nowhere
	refused 91 'not in the store' berth rollout nowhere --to app
	good next >/dev/null
	refused 21 '--canary' berth rollout app --to next --canary 0
	refused 21 '--canary' berth rollout app --to next --canary 101%
	refused 21 'tcp:PORT' berth rollout app --to next --check tcp:x
	refused 21 'no rollout' berth rollout mini --undo
	run -0 berth rollout app --to next --dry-run
	contains "$output" planned
	refused 21 'no rollout' berth rollout app --status
	equal "$(berth outdated)" ''
}

@test "rollout: killed with its plan half written, it is none and not the one before" {
	local b
	old >/dev/null
	berth create 101 --ostemplate app >/dev/null
	b=$(good next)
	berth --quiet rollout app --to next
	berth upgrade 101 --confirm
	berth create 102 --ostemplate app >/dev/null
	old other 'echo other >usr/other' >/dev/null
	BERTH_FAULT='rollout/plan!' run berth rollout app --to other
	[[ $status -ne 0 ]] || fail survived
	# It must not say that it has taken 101 back.
	refused 21 'no rollout' berth --quiet rollout app --undo
	refused 21 'no rollout' berth rollout app --status
	equal "$(version_of 101)" "$b"
	berth --quiet rollout app --to other
	equal "$(version_of 101) $(version_of 102)" "$(channel other) $(channel other)"
	berth --quiet rollout app --undo
	equal "$(version_of 101)" "$b"
}

# BERTH_LONG=1 for fifty kills instead of two.
@test "rollout: killed at random moments, then called again, ends as without a kill" {
	local b _ KILLED=0
	old >/dev/null
	fleet 4
	b=$(good next)
	while ((KILLED < ${BERTH_LONG:+48} + 2)); do
		for _ in 1 2 3; do
			kill_soon 500 rollout app --to next --check /bin/health --parallel 2
			run -0 berth rollout app --status -j || :
		done
		berth --quiet rollout app --to next --check /bin/health --parallel 2
		all 4 good
		equal "$(channel app)" "$b"
		kill_soon 400 rollout app --undo
		berth --quiet rollout app --undo || fail 'undo again'
		all 4 old
	done
}
