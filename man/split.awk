# SPDX-License-Identifier: GPL-2.0-or-later
# berth.8 in, a page of its own for every verb out: berth-VERB.8 in the directory `out`. A section
# .SS VERB [words] of VERBS is the page; what stands before its first option is the description.
# Verbs that take parameters say where those are. tests/bats/15-docs.bats compares with the tables.

# `template build RECIPE [options]` is "template build": the words before the first that is none.
function verb_of(words,    n, w, i, name) {
	n = split(words, w, " ")
	for (i = 1; i <= n && w[i] ~ /^[a-z][a-z0-9]*$/; i++)
		name = name (i > 1 ? " " : "") w[i]
	return name
}

# A section begins with its help, as the table has it: a sentence on a line of its own.
function one_line(text) {
	gsub(/\\f./, "", text)
	sub(/[.:]$/, "", text)
	if (text !~ /^(VE|CT|ID)/)
		text = tolower(substr(text, 1, 1)) substr(text, 2)
	return text
}

function end_page() {
	if (!page)
		return
	if (verb == "create" || verb == "import" || verb == "set" || verb ~ /^pool (create|set)$/)
		print ".SH PARAMETERS\nSee\n.BR berth (8)\nand\n.BR berth\\-ve.conf (5)." >page
	print ".SH SEE ALSO\n.BR berth (8)" >page
	close(page)
	page = ""
}

/^\.TH / { version = $4 " " $5 }
/^\.SH / { end_page(); verbs = $2 == "VERBS"; next }
!verbs { next }
/^\.SS / {
	end_page()
	words = substr($0, 5)
	verb = verb_of(words)
	name = verb
	gsub(/ /, "-", name)
	page = out "/berth-" name ".8"
	manname = name
	gsub(/-/, "\\-", manname)
	print ".\\\" Made from berth.8 by split.awk." >page
	printf ".TH \"BERTH\\-%s\" 8 \"2026\" %s \"System administration\"\n", toupper(manname), version >page
	printf ".SH NAME\nberth\\-%s \\- ", manname >page
	head = 1
	next
}
head {
	printf "%s\n.SH SYNOPSIS\n.B berth %s\n%s\n.SH DESCRIPTION\n", one_line($0), verb,
		substr(words, length(verb) + 2) >page
	head = 0
}
/^\.TP/ && !options[page]++ { print ".SH OPTIONS" >page }
page { print >page }
END { end_page() }
