#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# docs/TUTORIAL.md: every command of it is run in its order, and answers as printed there.
# bats file_tags=root

load helpers/load

export BATS_TEST_TIMEOUT=$((120 * ${BERTH_PATIENCE:-1}))

# as_printed EXPECTED: what stdin says, where "..." is anything, a line of it any lines.
as_printed() {
	python3 -c '
import re, sys
want = sys.argv[1].rstrip("\n")
pattern = "".join("(.*\n)*?" if l == "..." else ".*?".join(map(re.escape, l.split("..."))) + "\n"
                  for l in want.split("\n")) if want else ""
got = sys.stdin.read()
if got and not got.endswith("\n"):
    got += "\n"
if not re.fullmatch(pattern, got):
    sys.exit("got:\n%swant:\n%s" % (got, want))' "$1"
}

# The commands of the page, each with its answer, NUL behind each.
blocks() {
	python3 -c '
import re, sys
for block in re.findall(r"^```console\n(.*?)^```$", open(sys.argv[1]).read(), re.M | re.S):
    for part in re.split(r"^# ", block, flags=re.M)[1:]:
        cmd, _, answer = part.partition("\n")
        sys.stdout.write(cmd + "\0" + answer + "\0")' "$1"
}

@test "tutorial: its commands answer as it says" {
	local cmd want got n=0
	rm -rf "$ROOT/var/lib/berth/template"
	mkdir "$BATS_TEST_TMPDIR/bin"
	ln -s "$BERTH" "$BATS_TEST_TMPDIR/bin/berth"
	while IFS= read -r -d '' cmd && IFS= read -r -d '' want; do
		got=$(PATH=$BATS_TEST_TMPDIR/bin:$PATH BERTH_ROOT=$ROOT host bash -c "$cmd" 2>&1) || :
		printf %s "$got" | as_printed "$want" || fail "# $cmd" || return
		n=$((n + 1))
	done < <(blocks "$BATS_TEST_DIRNAME/../../docs/TUTORIAL.md")
	((n > 20)) || fail "only $n commands found"
}
