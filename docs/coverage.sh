#!/usr/bin/env bash
# Coverage of every log and sample of format that there is under APIML_DATASETS
# (make coverage): read = parsed + rejected + filtered, and each reason for which
# lines were rejected with its first line. usage: coverage.sh [PROGRAM]
set -euo pipefail
apiml=$(realpath "${1:-bin/apiml}")
data=$(realpath "${APIML_DATASETS:?set APIML_DATASETS to the folder of the data sets}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
refused=()
for f in "$data"/logs/* "$data"/formats/* "$data"/csic2010/* "$data"/cicids2017/*.zst "$data"/cicids2017/*/*.zst; do
	ln -s "$f" "$(basename "$f")"
	if ! message=$("$apiml" ingest -q --db cov.duckdb "$(basename "$f")" 2>&1 >/dev/null); then
		refused+=("$message")
	fi
done
"$apiml" query --db cov.duckdb "SELECT name AS file, format, read, parsed, rejected, filtered, round(100.0 * parsed / nullif(read - filtered, 0), 2) AS percent FROM inputs ORDER BY name"
echo
echo "Why lines were rejected:"
"$apiml" query --db cov.duckdb "SELECT i.name AS file, reason, count(*) AS lines, min(line) AS first, substr(arg_min(raw, line), 1, 80) AS starts_with FROM rejects JOIN inputs i ON i.id = input GROUP BY 1, 2 ORDER BY 1, 3 DESC"
echo
echo "Files that were not read:"
printf '%s\n' "${refused[@]:-none}"
