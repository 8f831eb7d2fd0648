#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# metrics: well-formed OpenMetrics text with the kernel's figures in it.
# bats file_tags=root

load helpers/load

# The rules of the format that a hand-written exposition breaks: a family in one piece, its type
# and help before it, counters with _total, a unit that ends the name, no sample twice, # EOF last.
well_formed() {
	awk '
	function bad(why) { print NR ": " why ": " $0; wrong = 1; exit 1 }
	ended { bad("behind # EOF") }
	$0 == "# EOF" { ended = 1; next }
	$1 == "#" && $2 == "TYPE" { if (seen[$3]++) bad("family in two pieces"); family = $3; type = $4; next }
	$1 == "#" && $2 == "UNIT" { if ($3 != family || $3 !~ "_" $4 "$") bad("unit"); next }
	$1 == "#" && $2 == "HELP" { if ($3 != family) bad("help of another"); next }
	!/^[a-z_]+\{([a-z]+="[^"\\\n]*",?)+\} [0-9.]+$/ { bad("no sample") }
	{ split($0, part, "{"); if (part[1] != family (type == "counter" ? "_total" : "")) bad("not of the family")
	  sub(/ [0-9.]+$/, ""); if (samples[$0]++) bad("twice") }
	END { if (!wrong && !ended) { print "no # EOF"; exit 1 } exit wrong }'
}

# sample NAME ID of what is on stdin
sample() {
	awk -v want="berth_ve_$1{ctid=\"$2\"," 'index($0, want) == 1 { print $NF }'
}

@test "metrics: well-formed, with stopped and running VEs, and with none" {
	berth metrics | well_formed
	run_ve 101 --name web
	new_ve 102
	berth metrics >"$BATS_TEST_TMPDIR/m"
	well_formed <"$BATS_TEST_TMPDIR/m"
	equal "$(sample running 101 <"$BATS_TEST_TMPDIR/m")" 1
	equal "$(sample running 102 <"$BATS_TEST_TMPDIR/m")" 0
	contains "$(<"$BATS_TEST_TMPDIR/m")" 'berth_ve_running{ctid="101",name="web"} 1'
	! python3 -c 'import prometheus_client' 2>/dev/null ||
		python3 -c 'import sys; from prometheus_client.openmetrics import parser
list(parser.text_string_to_metric_families(sys.stdin.read()))' <"$BATS_TEST_TMPDIR/m"
}

@test "metrics: the figures are the kernel's" {
	run_ve 101 --ram 300M --numproc 77
	put_probe 101
	local burnt
	burnt=$(inside 101 /probe cpuburn 1 | awk '{ print $2 }')
	berth metrics >"$BATS_TEST_TMPDIR/m"
	equal "$(sample memory_limit_bytes 101 <"$BATS_TEST_TMPDIR/m")" $((300 << 20))
	equal "$(sample processes_limit 101 <"$BATS_TEST_TMPDIR/m")" 77
	awk -v v="$(sample cpu_usage_seconds_total 101 <"$BATS_TEST_TMPDIR/m")" -v ms="$burnt" \
		-v slow="${BERTH_PATIENCE:-1}" \
		'BEGIN { exit !(ms > 0 && v * 1000 >= ms && v * 1000 < ms + 1000 * slow) }'
}

@test "metrics --output: a file, replaced whole" {
	run_ve 101
	berth metrics --output "$ROOT/var/log/berth.prom"
	well_formed <"$ROOT/var/log/berth.prom"
	equal "$(stat -c %a "$ROOT/var/log/berth.prom")" 644
	refused 3 nowhere berth metrics --output "$ROOT/nowhere/x.prom"
}

@test "metrics --socket: answers who asks, also after one that does not read" {
	local server at=$ROOT/run/metrics.sock
	new_ve 101
	nsenter --target "$HOST_PID" --net --mount -- "$BERTH" --root "$ROOT" metrics --socket "$at" 3>&- 4>&- &
	server=$!
	within 5 test -S "$at"
	python3 - "$at" <<-'EOF' >"$BATS_TEST_TMPDIR/m"
		import socket, sys
		def ask():
		    s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); return s
		ask().close()
		s = ask(); s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
		text = b""
		while True:
		    got = s.recv(65536)
		    if not got: break
		    text += got
		head, body = text.split(b"\r\n\r\n", 1)
		assert head.startswith(b"HTTP/1.0 200"), head
		sys.stdout.buffer.write(body)
	EOF
	kill "$server"
	well_formed <"$BATS_TEST_TMPDIR/m"
	equal "$(sample running 101 <"$BATS_TEST_TMPDIR/m")" 0
	rm "$at"
}

@test "dashboard: asks for nothing that metrics does not tell" {
	local name all
	run_ve 101
	all=$(berth metrics)
	for name in $(jq -r '.panels[].targets[].expr' "$BATS_TEST_DIRNAME/../../contrib/grafana/berth.json" |
			grep -o 'berth_ve_[a-z_]*'); do
		contains "$all" "${name%_total}"
	done
}
