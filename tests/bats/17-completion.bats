#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Completion knows verbs, options, values, VEs and templates, from the tables and the instance.
# bats file_tags=root

load helpers/load

# offered TYPED...: what the shell would offer for the last word, in one line.
offered() {
	berth _complete -- --root "$ROOT" "$@" | sort | tr '\n' ' '
}

@test "completion: verbs, also of two words" {
	contains " $(offered '')" ' create '
	lacks "$(offered '')" _exited
	equal "$(offered templ)" 'template '
	contains " $(offered template '')" ' build '
	equal "$(offered help exec | tr ' ' '\n' | head -n 1)" exec
}

@test "completion: every verb has its options, every option of set is offered" {
	local name
	for name in $("$BERTH" --dump-tables | jq -r '.params[] |
			select(.option != null and (.ct or .vm) and (.hidden | not) and .effect != "none").option'); do
		contains " $(offered set 101 --)" " --$name "
	done
	contains " $(offered start --)" ' --wait '
	contains " $(offered --)" ' --root '
}

@test "completion: values" {
	equal "$(offered create 101 --kind '')" 'ct vm '
	equal "$(offered set 101 --onboot '')" 'no yes '
	equal "$(offered create 101 --ostemplate m)" 'mini '
	contains " $(offered list -o '')" ' ctid '
}

@test "completion: VEs by number and name, where one can stand" {
	new_ve 101 --name web
	new_ve 1020
	equal "$(offered start 10)" '101 1020 '
	equal "$(offered start 101 w)" 'web '
	equal "$(offered set w)" 'web '
	equal "$(offered set --ram 1G w)" 'web '
	equal "$(offered enter web w)" ''
	equal "$(offered cp 10)" '101: 1020: '
	equal "$(offered cp -r --owner 0 file w)" 'web: '
	equal "$(offered cp web:/etc/hosts w)" ''
	equal "$(offered cp web : /etc/hosts w)" ''
	equal "$(offered template show '')" 'mini '
}

@test "completion: the script for bash asks the command" {
	new_ve 101 --name web
	cat >"$BATS_TEST_TMPDIR/ask" <<-EOF
		berth() { BERTH_ROOT=$ROOT "$BERTH" "\$@"; }
		source "$BATS_TEST_DIRNAME/../../contrib/completion/berth"
		COMP_WORDS=(berth set web --onbo) COMP_CWORD=3
		_berth
		echo "\${COMPREPLY[@]}"
	EOF
	equal "$(host bash "$BATS_TEST_TMPDIR/ask")" --onboot
	sed -i "s|^COMP_WORDS.*|cd '$BATS_TEST_TMPDIR'; touch wert; COMP_WORDS=(berth cp we) COMP_CWORD=2|" \
		"$BATS_TEST_TMPDIR/ask"
	equal "$(host bash "$BATS_TEST_TMPDIR/ask")" 'web: wert'
}
