# SPDX-License-Identifier: GPL-2.0-or-later
# VEs: make, start, look inside.

# new_ve ID [OPTION...]: a VE from the template of the tests, not started.
new_ve() {
	local id=$1
	shift
	berth create "$id" --ostemplate mini "$@" >/dev/null
}

# run_ve ID [OPTION...]: the same, running.
run_ve() {
	new_ve "$@"
	berth start "$1" >/dev/null
}

# inside ID CMD...: argv as it is, exit code of the command.
inside() {
	berth exec3 "$@"
}

# shell ID SCRIPT: by the VE's own shell.
shell() {
	berth exec3 "$1" /bin/sh -c "$2"
}

# put ID PATH <FILE: an executable inside.
put() {
	shell "$1" "cat >'$2.new' && chmod 0755 '$2.new' && mv -f '$2.new' '$2'"
}

# The static program of the tests, inside as /probe.
put_probe() {
	put "$1" /probe <"$PROBE"
}

status_of() {
	berth status "$1"
}

is_state() {
	[[ $(status_of "$1" 2>/dev/null) == "CTID $1 $2" ]]
}

wait_running() {
	within "${2:-10}" is_state "$1" 'exist mounted running'
}

wait_down() {
	within "${2:-10}" is_state "$1" 'exist unmounted down'
}

# Process id of the VE's init as the host sees it.
init_pid() {
	json .pid <"$ROOT/run/berth/$1/state.json"
}

# keeper_pid ID: of the process that looks after it.
keeper_pid() {
	ps -o ppid= -p "$(init_pid "$1")" | tr -d ' '
}

# The VE's disk as the VE sees it: disk_field ID FIELD, in KiB (1 size, 2 used, 3 available).
disk_field() {
	shell "$1" 'df -k /' | awk -v f="$2" 'END { print $(NF - 5 + f) }'
}

conf_of() {
	echo "$ROOT/etc/berth/conf/$1.conf"
}

# Value of a key in a VE's config; the file is shell by contract.
conf_value() {
	sh -c '. "$1"; eval "printf %s \"\$$2\""' - "$(conf_of "$1")" "$2"
}

# kill_soon MILLISECONDS CMD...: berth, killed after at most so long. nsenter becomes berth in the
# process that is killed: a shell in between would die alone and leave berth at work. $KILLED counts
# those that were not through before.
kill_soon() {
	local pid status=0 ms=$1
	shift
	(exec nsenter --target "$HOST_PID" --net --mount -- "$BERTH" --root "$ROOT" "$@" \
		>/dev/null 2>&1 3>&- 4>&-) &
	pid=$!
	sleep "$(printf 0.%03d $((RANDOM % ms)))"
	kill -9 "$pid" 2>/dev/null || :
	wait "$pid" 2>/dev/null || status=$?
	KILLED=$((${KILLED:-0} + (status == 137)))
}
