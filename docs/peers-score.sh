#!/bin/bash
# Scores a combined log with apiml, all evidence, one JSON line per request into
# a file, and lets GoAccess count the same log, one after the other; prints CPU
# seconds (user + system) per line, peak memory and the ratio. GoAccess comes
# from the distribution (apt install goaccess); without it only apiml is shown.
# Usage: peers-score.sh bin/apiml [LOG]
# LOG may be compressed (gzip); both read it unpacked. Without it: the largest
# combined log in $APIML_DATASETS/logs, else 500,000 generated lines.
set -euo pipefail
bin=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=${2:-}
if [ -z "$log" ] && [ -n "${APIML_DATASETS:-}" ]; then
	log=$(ls -S "$APIML_DATASETS"/logs/*combined*.log.gz 2>/dev/null | head -1 || true)
fi
if [ -z "$log" ]; then
	"$bin" generate -q --requests 500000 -o "$work/access.log"
	log="generated lines"
elif gzip -t "$log" 2>/dev/null; then
	gzip -dc "$log" >"$work/access.log"
else
	cp "$log" "$work/access.log"
fi
lines=$(wc -l <"$work/access.log")
echo "$log: $lines lines, $(stat -c %s "$work/access.log") bytes"

cpu() { # cpu NAME COMMAND…: CPU seconds into NAME, of three runs the least; peak memory into NAME_mib
	local name=$1 best='' peak=0 u s m
	shift
	for _ in 1 2 3; do
		if ! /usr/bin/env time -o "$work/time" -f '%U %S %M' "$@" >/dev/null 2>"$work/err"; then
			cat "$work/err" >&2
			return 1
		fi
		read -r u s m <"$work/time"
		best=$(awk "BEGIN{c = $u + $s; b = \"$best\"; print b == \"\" || c < b + 0 ? c : b}")
		peak=$((m / 1024 > peak ? m / 1024 : peak))
	done
	printf -v "$name" '%s' "$best"
	printf -v "${name}_mib" '%s' "$peak"
}
row() { printf '%-40s %8.2f %12.2f %10d\n' "$1" "$2" "$(awk "BEGIN{print 1e6 * $2 / $lines}")" "$3"; }

printf '%-40s %8s %12s %10s\n' "" "CPU s" "µs per line" "peak MiB"
cpu score "$bin" score -q "$work/access.log" -o "$work/scores.jsonl"
row "apiml score (all evidence, JSON lines)" "$score" "$score_mib"
head -1 "$work/access.log" >"$work/one.log"
cpu start "$bin" score -q "$work/one.log" -o "$work/scores.jsonl"
printf '%-40s %8.2f %12s %10d\n' "apiml score of the first line only" "$start" "" "$start_mib"
if command -v goaccess >/dev/null; then
	cpu goaccess goaccess "$work/access.log" --log-format=COMBINED --no-progress -o "$work/report.html"
	row "$(goaccess --version | head -1 | tr -d -- '-') (report)" "$goaccess" "$goaccess_mib"
	awk "BEGIN{printf \"GoAccess takes %.1f times the CPU of apiml score\n\", $goaccess / $score}"
else
	echo "goaccess: not installed, skipped"
fi
