#!/bin/bash
# Forecasts of public series beyond those of results.sh: one LSTM for all of M4
# Hourly, the backtests of three traffic logs, Peyton Manning by Prophet's protocol.
# It takes minutes. Usage: APIML_DATASETS=DIR results-forecast.sh [PROGRAM]
set -euo pipefail
apiml=$(realpath "${1:-bin/apiml}")
data=$(realpath "${APIML_DATASETS:?set APIML_DATASETS to the folder of the data sets}")
cd "$(dirname "$0")/.."
first() { for f in "$@"; do if [ -e "$f" ]; then echo "$f"; return; fi; done; echo "missing: $1" >&2; exit 3; }
echo "# M4 Hourly, one LSTM for all series"
"$apiml" evaluate forecast -q --m4-train "$(first "$data"/timeseries/m4_Hourly-train.csv*)" --m4-test "$(first "$data"/timeseries/m4_Hourly-test.csv*)" --model lstm-global
echo "# Backtests, last 20 % of each series; then Peyton Manning with auto"
APIML_DATASETS=$data APIML_RESULTS=1 ${GO:-go} test -count=1 -timeout 60m -v -run '^(TestRealBars|TestPeytonAuto)$' ./forecast |
	grep -E 'horizon|wape|Peyton|FAIL'
