#!/bin/sh
# All cache policies, the learned one and Belady's bound, on every trace of
# $APIML_DATASETS/cache and on the access logs of $APIML_DATASETS/logs, at 1, 5, 10
# and 25 % of the distinct objects, hits counted on the second half. No document
# holds these numbers: this prints them. usage: cache-table.sh [PROGRAM]
set -eu
apiml=${1:-bin/apiml}
: "${APIML_DATASETS:?is the directory with the data sets}"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for f in "$APIML_DATASETS"/cache/*.keys.gz "$APIML_DATASETS"/cache/*IO.csv.gz; do
	"$apiml" -q advise cache --trace "$f" --after 0.5
done
# A log goes through the store, as a user's would. The learned policy begins with
# the built-in prior, which is of generated traffic.
for f in "$APIML_DATASETS"/logs/*combined*.log.gz; do
	rm -f "$tmp"/log.duckdb*
	"$apiml" -q --db "$tmp/log.duckdb" ingest "$f" >/dev/null
	"$apiml" -q --db "$tmp/log.duckdb" advise cache --after 0.5
done
