#!/bin/sh
# All cache policies, the learned one and Belady's bound, on every trace of
# $APIML_DATASETS/cache and on the access logs of $APIML_DATASETS/logs, at 1, 5, 10
# and 25 % of the distinct objects, hits counted on the second half; then a line per
# trace and size, and the means. docs/cache.md says how to read it.
# usage: cache-table.sh [PROGRAM] [SUMMARY]   SUMMARY=only leaves the first part out
set -eu
apiml=${1:-bin/apiml}
only=${2:-}
: "${APIML_DATASETS:?is the directory with the data sets}"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
show() {
	if [ "$only" = only ]; then cat >>"$tmp/all"; else tee -a "$tmp/all"; fi
}
for f in "$APIML_DATASETS"/cache/*.keys.gz "$APIML_DATASETS"/cache/*IO.csv.gz; do
	"$apiml" -q advise cache --trace "$f" --after 0.5 | show
done
# A log goes through the store, as a user's would. The learned policy begins with
# the built-in prior, which is of generated traffic.
for f in "$APIML_DATASETS"/logs/*combined*.log.gz; do
	db=$tmp/$(basename "$f" .log.gz).duckdb
	"$apiml" -q --db "$db" ingest "$f" >/dev/null
	"$apiml" -q --db "$db" advise cache --after 0.5 | show
	rm -f "$db"*
done
awk '
function flush() {
	if (size == "") return
	ratio = (best > 0) ? learned / best : 1
	room = (belady > best)
	way = room ? 100 * (learned - best) / (belady - best) : 0
	floor = (best > 50) ? best / 100 : 0.5
	short = (learned < best - floor)
	printf("%-26.26s %4s %9s %7.2f %7.2f %-9s %7.2f %7.4f %7s%s\n", trace, size, objects, learned, best, name, belady,
		ratio, room ? sprintf("%.1f", way) : "-", short ? "  short" : "")
	n++; sum += ratio; misses += short
	if (log_) { logs[trace] += way / 4 }
	size = ""
}
BEGIN {
	print ""
	print "trace                      size   objects learned    best textbook     Belady   ratio   way %"
}
/^[^ ].*: [0-9,]+ requests to / {
	flush()
	trace = $1; log_ = trace ~ /duckdb:$/
	sub(/:$/, "", trace); sub(/.*\//, "", trace); sub(/\.(keys|csv)\.gz$|\.duckdb$/, "", trace)
}
/^ *[0-9]+% +[0-9,]+ objects / {
	if ($1 != size) { flush(); size = $1; objects = $2; best = 0; name = "" }
	v = 0
	for (i = 4; i < NF; i++) if ($(i + 1) == "%") { v = $i; break }
	if ($4 == "learned") learned = v
	else if ($4 == "belady") belady = v
	else if ($4 != "pfoo" && v > best) { best = v; name = $4 }
}
END {
	flush()
	printf "\nmean of learned / best textbook: %.4f over %d; short of the best by more than 1 %% and 0.5 points: %d\n", sum / n, n, misses
	printf "way from the best textbook policy to Belady, mean of the four sizes:\n"
	for (t in logs) printf "  %-50s %6.1f %%\n", t, logs[t] | "sort"
}' "$tmp/all"
