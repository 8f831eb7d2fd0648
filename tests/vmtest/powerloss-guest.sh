#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# In the test machine whose power is cut: say what is there, then work until the end comes. Lines
# for the host's side (tests/vmtest/powerloss):
#
#   fact ID STATE      what was found; `absent`, or values that were saved
#   broken WHAT        something that must not be after a recovery
#   listed SECONDS     how long after power on the first command had its answer
#   ready              facts are complete
#   begin ID STATE     it shall become this
#   done ID            the command has returned: it must be this from now on
set -u
export BERTH_ROOT=$BERTH_SCRATCH/powerloss
berth=$BERTH_BUILD/berth
lib=$BERTH_ROOT/var/lib/berth
ids=(101 102 103 104 105 106)
declare -A ram=() name=() ip=() data=()

quietly() {
	"$berth" "$@" >/dev/null 2>"/tmp/err.$BASHPID" </dev/null ||
		{ echo "broken berth $*: $(tr '\n' ' ' <"/tmp/err.$BASHPID")"; return 1; }
}

state() {
	[[ -n ${ram[$1]:-} ]] && echo "ram=${ram[$1]} name=${name[$1]} ip=${ip[$1]} data=${data[$1]}" || echo absent
}

# Notes, claims and names must speak of what there is. What a running VE needs has gone with power.
check_leftovers() {
	local link owner
	[[ -z $(ls "$lib/half") ]] || echo "broken notes: $(ls "$lib/half")"
	for link in "$lib"/ip/* "$lib"/ids/*; do
		[[ -L $link ]] || continue
		owner=$(readlink "$link")
		[[ -e $BERTH_ROOT/etc/berth/conf/$owner.conf ]] || echo "broken claim $link of $owner"
	done
	for link in "$BERTH_ROOT"/etc/berth/names/*; do
		[[ ! -L $link || -e $link ]] || echo "broken name $link"
	done
	for link in "$lib"/private/*; do
		[[ ! -e $link || -e $BERTH_ROOT/etc/berth/conf/${link##*/}.conf ]] || echo "broken data $link"
	done
	for link in "$BERTH_ROOT"/run/berth/[0-9]*; do
		[[ ! -e $link ]] || echo "broken run state $link"
	done
}

# The first command after the boot is a list: it recovers by itself.
read_facts() {
	local id n r a
	while read -r id r n a; do
		[[ -n $id ]] || continue
		ram[$id]=$r name[$id]=$n ip[$id]=$a
	done < <("$berth" list -a -H -o ctid,ram,name,ip 2>/dev/null)
	echo "listed $(cut -d' ' -f1 /proc/uptime)"
	check_leftovers
	for id in "${ids[@]}"; do
		if [[ -n ${ram[$id]:-} ]]; then
			quietly start "$id"
			data[$id]=$("$berth" exec3 "$id" /bin/cat /data 2>/dev/null </dev/null)
			data[$id]=${data[$id]:-none}
			quietly stop "$id" --fast
		fi
		echo "fact $id $(state "$id")"
	done
}

# do ID CMD...: the command that makes the state of ID what the arrays say.
do_it() {
	local id=$1
	shift
	echo "begin $id $(state "$id")"
	quietly "$@" && echo "done $id"
}

one() {
	local id=$1 k=$((RANDOM % 1000))
	if [[ -z ${ram[$id]:-} ]]; then
		ram[$id]=64M name[$id]=n$id-$k ip[$id]=10.9.0.$id data[$id]=none
		do_it "$id" create "$id" --ostemplate mini --ram 64M --name "${name[$id]}" --ipadd "${ip[$id]}"
		return
	fi
	case $((RANDOM % 8)) in
	0) ram[$id]=$((64 + k % 64))M && do_it "$id" set "$id" --ram "${ram[$id]}" --save ;;
	1) name[$id]=n$id-$k && do_it "$id" set "$id" --name "${name[$id]}" --save ;;
	2)
		ip[$id]=10.9.$((k % 2)).$id ram[$id]=$((64 + k % 64))M
		do_it "$id" set "$id" --ipdel all --ipadd "${ip[$id]}" --ram "${ram[$id]}" --save
		;;
	3)
		quietly stop "$id" --fast
		ram[$id]='' && do_it "$id" destroy "$id"
		;;
	4) quietly stop "$id" --fast ;;
	5) "$berth" set "$id" --ipadd "10.8.0.$id" >/dev/null 2>&1 </dev/null ;;	# not saved
	*)
		"$berth" start "$id" >/dev/null 2>&1 </dev/null
		data[$id]=$k
		do_it "$id" exec3 "$id" /bin/sh -c "echo $k >/data.new && sync && mv /data.new /data && sync"
		;;
	esac
}

# Two clients on VEs of their own; they meet in the claims, the store and the kernel.
work() {
	local id
	while :; do
		id=$1
		shift
		one "$id"
		set -- "$@" "$id"
	done
}

[[ -e $lib/template/channels/mini ]] || quietly template build mini
read_facts
echo ready
RANDOM=$$
work 101 102 103 &
work 104 105 106 &
wait
