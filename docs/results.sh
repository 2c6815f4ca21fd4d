#!/usr/bin/env bash
# Prints the figures of the real data sets: coverage of every log, cross-validated
# and held-out figures of CSIC 2010 and CIC-IDS2017, forecasts of public series
# (make results). No document
# holds these numbers: this prints them. usage: results.sh [PROGRAM]
set -euo pipefail
apiml=$(realpath "${1:-bin/apiml}")
data=${APIML_DATASETS:?set APIML_DATASETS to the folder of the data sets}
data=$(realpath "$data")
repo=$(realpath "$(dirname "$0")/..")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
first() { for f in "$@"; do if [ -e "$f" ]; then echo "$f"; return; fi; done; echo "missing: $1" >&2; exit 3; }

echo "# CSIC 2010: attack is 'anomalous', the rows have no time"
"$apiml" ingest -q --db csic.duckdb --label none \
	"$(first "$data"/csic2010/normalTrafficTraining.txt*)" "$(first "$data"/csic2010/normalTrafficTest.txt*)"
"$apiml" ingest -q --db csic.duckdb --label anomalous "$(first "$data"/csic2010/anomalousTrafficTest.txt*)"
"$apiml" train -q --db csic.duckdb --models csic --cv 5
"$apiml" evaluate -q --db csic.duckdb --models csic

echo
echo "# CIC-IDS2017: network flows"
"$apiml" ingest -q --db cic.duckdb "$(first "$data"/cicids2017/cicids2017_mlcsv_union154k.csv*)"
"$apiml" train -q --db cic.duckdb --models cic --cv 5
"$apiml" evaluate -q --db cic.duckdb --models cic

echo
echo "# Access logs: coverage, and what the built-in models flag in logs without labels"
for f in "$data"/logs/{memasik,zanbil,sparkdeveloper}*; do
	"$apiml" ingest -q --db logs.duckdb "$f"
	"$apiml" score -q --models none "$f"
	echo
done

echo "# Built-in models, fitted on generated traffic only, on labelled requests of other origin"
for set in grananqvist fwaf w3af; do
	"$apiml" evaluate attack -q --models none --data "$data/attack-dev/$set.jsonl.gz" --truth "$data/attack-dev/$set.truth.jsonl.gz"
	echo
done

echo "# Latency, in time order 70/30, ms: four real tables, the better median beside it, coverage of the quantiles;"
echo "# and as a trained model on two logs, in seconds, the last fifth held out"
(cd "$repo" && APIML_DATASETS="$data" "${GO:-go}" test ./train -count=1 -run '^TestRealTables$' -v | grep -E '^ *(---|regressor_test)' | sed -E 's/^ *regressor_test.go:[0-9]+: /  /')
for log in aws_elb_classic_api_2015 haproxy_http_2014; do
	"$apiml" ingest -q --db $log.duckdb "$(first "$data"/logs/$log*)"
	"$apiml" train latency -q --db $log.duckdb --models $log --cv 3
	echo
done

echo "# Forecasts: M4 Hourly by one configuration, then by the additive model and the LSTM alone"
m4=(--m4-train "$(first "$data"/timeseries/m4_Hourly-train.csv*)" --m4-test "$(first "$data"/timeseries/m4_Hourly-test.csv*)")
for model in auto additive lstm; do
	echo "$model:"
	"$apiml" evaluate forecast -q "${m4[@]}" --model "$model"
	echo
done
for set in derived_memasik_per_minute:timestamp_utc:30 worldcup98_per_minute_requests_bytes:timestamp:30 derived_sparkdeveloper_per_hour:timestamp_utc:24; do
	IFS=: read -r file time horizon <<<"$set"
	"$apiml" forecast -q --csv "$(first "$data/timeseries/$file".csv*)" --time "$time" --value requests --horizon "$horizon" --backtest
	echo
done
