#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Help, manual pages and completion say what the tables say: no less, and nothing that is not so.
# bats file_tags=root

load helpers/load

export BATS_TEST_TIMEOUT=$((180 * ${BERTH_PATIENCE:-1}))

top=$BATS_TEST_DIRNAME/../..

setup_file() {
	export TABLES=$BATS_FILE_TMPDIR/tables.json PLAIN=$BATS_FILE_TMPDIR/berth.8 OPTIONS=$BATS_FILE_TMPDIR/options
	"$BERTH" --dump-tables >"$TABLES"
	jq -r '.commands[] | .name as $v | .options[] | select(.help != null) |
		"\($v)\t--\(.name)\t\(if .alias then "--" + .alias else "" end)"' "$TABLES" >"$OPTIONS"
	unmark "$top/man/berth.8" >"$PLAIN"
}

# The text of a page without fonts and escapes; `.BR -f ,\ --follow` reads as -f , --follow.
unmark() {
	sed -E 's/\\f(\[[A-Z]*\]|.)//g; s/\\-/-/g; s/\\&//g; s/\\ / /g; s/\\\(aq/'\''/g; s/^\.(B|I|BI|BR|IR|RB) //' "$1"
}

# section PAGE HEAD: the lines of a section, to the next one of its rank.
section() {
	awk -v head="$2" '
		index($0, head) == 1 && substr($0, length(head) + 1) !~ /^[a-z0-9-]/ { on = 1; next }
		/^\.S[SH] / && on { exit }
		on' "$1"
}

# Long options that a tagged paragraph begins with.
tagged() {
	awk 'after { print } { after = $0 == ".TP" }' | grep -oE -- '--[a-zA-Z][a-zA-Z0-9_-]*' | sort -u
}

mentioned() {
	grep -oE -- '--[a-zA-Z][a-zA-Z0-9_-]*' | sort -u
}

verbs() {
	jq -r '.commands[] | select(.hidden | not).name' "$TABLES"
}

# options VERB: those that are shown, a line each; or_alias VERB: with their other names.
options() {
	awk -F'\t' -v v="$1" '$1 == v { print $2 }' "$OPTIONS" | sort -u
}

or_alias() {
	awk -F'\t' -v v="$1" '$1 == v { print $2; if ($3) print $3 }' "$OPTIONS"
}

# params POOL: options of parameters, those that only are stored too.
params() {
	jq -r --argjson pool "$1" '.params[] | select(.option != null and (.hidden | not)) |
		select(if $pool then .pool else .ct or .vm end) | "--" + .option' "$TABLES" | sort -u
}

# same WHAT A B: two lists of lines.
same() {
	local d
	d=$(diff <(echo "$2") <(echo "$3")) || fail "$1: $d"
}

# no_more WHAT A B: every line of A is in B.
no_more() {
	local d
	d=$(comm -23 <(grep . <<<"$2") <(grep . <<<"$3"))
	[[ -z $d ]] || fail "$1: $d"
}

@test "docs: verbs are those of help, manual and completion" {
	local tables
	tables=$(verbs | sort)
	same help "$tables" "$(berth --help | awk '/^Verbs:/ { on = 1; next } /^$/ { on = 0 }
		on && match($0, /^  [a-z]/) { sub(/^  /, ""); sub(/(  .*)?$/, ""); print }' | sort)"
	same manual "$tables" "$(awk '/^\.SH / { on = $2 == "VERBS" } on && /^\.SS / {
		n = ""; for (i = 2; i <= NF && $i ~ /^[a-z][a-z0-9]*$/; i++) n = n (i > 2 ? " " : "") $i; print n }' \
		"$PLAIN" | sort)"
	same completion "$(cut -d' ' -f1 <<<"$tables" | sort -u)" \
		"$("$BERTH" _complete -- '' | grep -v '^-' | sort -u)"
}

@test "docs: every verb has a page with its help, synopsis and options" {
	local verb page help
	[[ -e $BERTH_BUILD/man/verbs.stamp ]]
	equal "$(find "$BERTH_BUILD/man/verbs" -name '*.8' | wc -l)" "$(verbs | wc -l)"
	while IFS= read -r verb; do
		page=$BERTH_BUILD/man/verbs/berth-${verb// /-}.8
		help=$(jq -r --arg v "$verb" '.commands[] | select(.name == $v).help' "$TABLES")
		unmark "$page" >"$BATS_TEST_TMPDIR/page"
		contains "$(section "$BATS_TEST_TMPDIR/page" '.SH NAME')" "berth-${verb// /-} - $help" || return
		same "synopsis of $verb" "$(jq -r --arg v "$verb" '.commands[] | select(.name == $v) |
			"berth \(.name) \(.args)" | rtrimstr(" ")' "$TABLES")" \
			"$(section "$BATS_TEST_TMPDIR/page" '.SH SYNOPSIS' | paste -sd' ' | sed 's/ *$//')" || return
	done < <(verbs)
}

@test "docs: options of every verb are those of help, manual and completion" {
	local verb takes man common line of_ve of_pool params
	of_ve=$(params false)
	of_pool=$(params true)
	common=$'--help\n--json'
	while IFS=$'\t' read -r verb takes; do
		man=$(section "$PLAIN" ".SS $verb")
		params=
		[[ $takes == false ]] || params=$of_ve
		[[ $takes == false || $verb != pool\ * ]] || params=$of_pool
		# shellcheck disable=SC2086 # a verb may have two words
		line=$("$BERTH" help $verb | awk '/^[A-Z]/ { on = /^(Options|Parameters|Sizes)/ } on')
		no_more "not in the manual of $verb" "$(options "$verb")" "$(mentioned <<<"$man")" || return
		no_more "$verb does not have" "$(tagged <<<"$man")" \
			"$({ or_alias "$verb"; echo "$of_ve"; echo "$of_pool"; } | sort -u)" || return
		no_more "not in help of $verb" "$({ options "$verb"; echo "$params"; } | sort -u)" \
			"$(mentioned <<<"$line")" || return
		no_more "help of $verb has, the table not" "$(sed -nE 's/^  (-., )?(--[a-zA-Z][a-zA-Z0-9_-]*).*/\2/p' \
			<<<"$line" | sort -u)" "$({ options "$verb"; echo "$params"; echo "$common"; } | sort -u)" || return
		# shellcheck disable=SC2086
		no_more "not offered for $verb" "$(options "$verb")" "$("$BERTH" _complete -- $verb -- | sort -u)" || return
	done < <(jq -r '.commands[] | select(.hidden | not) | "\(.name)\t\(.params)"' "$TABLES")
}

@test "docs: parameters are those of the manual, keys those of the file's" {
	local keys="$BATS_TEST_TMPDIR/conf.5"
	unmark "$top/man/berth-ve.conf.5" >"$keys"
	no_more "not among the parameters" "$(params false)" "$(section "$PLAIN" '.SH PARAMETERS' | mentioned)"
	no_more "no parameter" "$(section "$PLAIN" '.SH PARAMETERS' | tagged)" \
		"$(sort -u <(params false) <(jq -r '.params[] | select(.alias != null) | "--" + .alias' "$TABLES"))"
	no_more "keys not in the manual" "$(jq -r '.params[].key' "$TABLES" | sort)" \
		"$(grep -oE '[A-Z][A-Z_]+' "$keys" | sort -u)"
	no_more "no keys" "$(section "$keys" '.SH PARAMETERS' |
		awk 'after && /^[A-Z_]+(,|$)/ { print } { after = $0 == ".TP" }' | tr -d ' ' | tr ',' '\n' | sort -u)" \
		"$(jq -r '.params[].key' "$TABLES" | sort)"
}

@test "docs: exit numbers are those of the manual, columns those of list" {
	same "exit numbers" "$(sed -nE 's/^\tVZ_[A-Z_]+ = ([0-9]+),.*/\1/p' "$top/util/exits.h" | sort -n)" \
		"$(section "$PLAIN" '.SH EXIT STATUS' | grep -xE '[0-9]+' | sort -n)"
	same columns "$(jq -r '.columns[].name' "$TABLES" | sort)" \
		"$(berth list -L | awk '{ sub(/\..*/, "", $1); print $1 }' | sort -u)"
}

@test "docs: the pages have no markup that man(1) complains of" {
	local page
	requires man
	for page in "$top"/man/*.[58] "$BERTH_BUILD"/man/verbs/*.8; do
		run -0 --separate-stderr man --warnings -E UTF-8 -l -P cat "$page"
		equal "$stderr" '' "$page" || return
	done
}

@test "docs: man finds the page of a verb after make install" {
	local to=$BATS_TEST_TMPDIR/to
	requires man
	make -s -C "$BERTH_BUILD" install DESTDIR="$to" >/dev/null
	contains "$(man -M "$(dirname "$(find "$to" -type d -name man8)")" -P cat berth-create)" 'make a VE from a template'
}
