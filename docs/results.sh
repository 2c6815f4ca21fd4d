#!/usr/bin/env bash
# Writes docs/results.md: what the program does on the real data sets and on
# generated traffic, each with data, protocol, command and what it printed, failures
# included (make results).
#
# usage: results.sh [PROGRAM] [SECTION…]
#
# Without names all sections are run, which takes hours. A section takes the place
# of the same one in the file, the others stay: `docs/results.sh forecast`. With
# OUT=- it is printed instead; with OUT=FILE it goes into another file.
set -uo pipefail
order="csic flows flows-random flows-transfer month logs builtin latency forecast forecast-more tune audit"
repo=$(realpath "$(dirname "$0")/..")
apiml=$repo/bin/apiml
if [ $# -gt 0 ] && [[ " $order " != *" $1 "* ]]; then
	apiml=$1
	shift
fi
apiml=$(realpath "$apiml")
[ -x "$apiml" ] || {
	echo "$apiml: no program; run make build" >&2
	exit 3
}
data=${APIML_DATASETS:?set APIML_DATASETS to the folder of the data sets}
data=$(realpath "$data")
out=${OUT:-$repo/docs/results.md}
[ "$out" = - ] || out=$(realpath "$out")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 5
sections=${*:-$order}
for s in $sections; do
	[[ " $order " == *" $s "* ]] || {
		echo "no section $s; there are: $order" >&2
		exit 2
	}
done

# first FILE…: the first that exists, as a link in the working folder, so that no
# path of this machine gets into the document.
first() {
	local f
	for f in "$@"; do
		if [ -e "$f" ]; then
			ln -sf "$f" "$work/$(basename "$f")"
			basename "$f"
			return
		fi
	done
	basename "$1"
}

# quiet COMMAND…: preparation; only a failure is shown.
quiet() {
	local rc
	"$@" >"$work/.out" 2>&1
	rc=$?
	if [ $rc -ne 0 ]; then
		printf '\n`%s` **failed with exit code %d:**\n\n```\n%s\n```\n' "$(show "$@")" $rc "$(tail -3 "$work/.out")"
	fi
	return $rc
}

show() { local s="$*"; s=${s//$apiml/apiml}; echo "${s//"$work"\//}"; }

# run COMMAND…: the command and what it printed; its failure is part of the result.
run() {
	local rc
	printf '\n`%s`\n\n```\n' "$(show "$@")"
	"$@" 2>"$work/.err" | sed "s|$work/||g"
	rc=${PIPESTATUS[0]}
	grep -E '^warning' "$work/.err" | sed "s|$work/||g"
	if [ "$rc" -ne 0 ]; then
		echo "failed with exit code $rc:"
		tail -2 "$work/.err" | sed "s|$work/||g"
	fi
	echo '```'
}

# The parts of a file: what stands behind the mark of a section, up to the next.
mark() { echo "<!-- section $1 -->"; }
part() { awk -v want="$(mark "$2")" '/^<!-- section .* -->$/{on = ($0 == want)} on' "$1"; }
trimmed() { awk 'NF {for (; blank > 0; blank--) print ""; print; next} {blank++}'; }

head_of() {
	echo '# Results'
	echo
	echo "Written by \`make results\` ($("$apiml" version | head -1)); no number here was typed. Seed 1 unless a line says otherwise."
	echo 'Every figure stands beside a baseline of the same rows; ± is the standard deviation over folds, on rows set aside a bootstrap over groups. The protocols are those of `apiml train --help`.'
}

# section NAME: runs it, and puts what it printed into its place.
section() {
	local s
	{ mark "$1" && "section_$1"; } >"$work/.new"
	if [ "$out" = - ]; then
		cat "$work/.new"
		return
	fi
	touch "$out"
	{
		head_of
		for s in $order; do
			if [ "$s" = "$1" ]; then
				echo && trimmed <"$work/.new"
			elif [ -n "$(part "$out" "$s")" ]; then
				echo && part "$out" "$s" | trimmed
			fi
		done
	} >"$work/.all"
	cp "$work/.all" "$out.new" && mv "$out.new" "$out"
}

section_csic() {
	printf '\n## CSIC 2010: attack is `anomalous`, the rows have no time\n\nProtocol: group split (path and sorted parameters), exact repetitions left out.\n'
	quiet "$apiml" ingest -q --db csic.duckdb --label none "$(first "$data"/csic2010/normalTrafficTraining.txt*)" "$(first "$data"/csic2010/normalTrafficTest.txt*)"
	quiet "$apiml" ingest -q --db csic.duckdb --label anomalous "$(first "$data"/csic2010/anomalousTrafficTest.txt*)"
	run "$apiml" train -q --db csic.duckdb --models csic --cv 5
	run "$apiml" evaluate attack anomaly -q --db csic.duckdb --models csic --worst 0
}

section_flows() {
	local cic=$(first "$data"/cicids2017/cicids2017_mlcsv_union154k.csv*)
	printf '\n## CIC-IDS2017: network flows, the sample of 154,164\n\nProtocol: group split (exact row of features), exact duplicates removed, without the destination port.\n'
	run "$apiml" train -q --data "$cic" --models cic --cv 5
	run "$apiml" evaluate attack-flows -q --data "$cic" --models cic --leave-out attack
}

section_flows-random() {
	local cic=$(first "$data"/cicids2017/cicids2017_mlcsv_union154k.csv*)
	printf '\n## CIC-IDS2017 beside published figures: random, exact duplicates removed\n\nOptimistic: rows of one capture stand on both sides. 25 folds (seeds 1 to 5); `make bench-flows` runs scikit-learn on the same folds. The configuration of `attack-flows` was chosen by inner folds of the training parts of other splits.\n'
	run "$apiml" train attack --data "$cic" --cv 5 --cv-scheme random --folds-out folds.csv --models cicr -q
}

section_flows-transfer() {
	local cic=$(first "$data"/cicids2017/cicids2017_mlcsv_union154k.csv*)
	printf '\n## CIC-IDS2017 by day\n\nEach day left out, and each day by a model of the days before it. Days as in the meta file of the sample.\n'
	meta=$(first "$data"/cicids2017/cicids2017_mlcsv_union154k.meta.csv*)
	text() { case $1 in *.zst) zstd -dcf "$1" ;; *) cat "$1" ;; esac; }
	if text "$meta" >meta.csv 2>/dev/null && text "$cic" >cic.csv 2>/dev/null; then
		# Monday 1, Tuesday 2, …: the files are in the order of the days.
		awk -F, 'NR==FNR{day[FNR]=$2; next} FNR==1{head=$0; next} {d=day[FNR]; sub(/-.*/, "", d); n=index("MonTueWedThuFri", substr(d,1,3)); f=sprintf("%d-%s.csv", (n+2)/3, d); if(!(f in seen)){seen[f]=1; print head > f} print > f}' meta.csv cic.csv
		args=()
		for f in [1-5]-*.csv; do args+=(--data "$f"); done
		quiet "$apiml" train attack -q "${args[@]}" --models days --cv 0 --no-audit
		run "$apiml" evaluate attack -q "${args[@]}" --models days --leave-out file --worst 0
	else
		echo
		echo 'Left out: zstd is needed to cut the sample into days.'
	fi
}

section_month() {
	printf '\n## All six models on a generated month of 1,000,000 requests\n\nGenerated traffic: the figures say that the chain works, not how it does on a service.\n'
	quiet "$apiml" generate -q --requests 1000000 --attacks 0.02 --days 30 -o month.csv
	quiet "$apiml" ingest -q --synthetic --db month.duckdb month.csv
	run "$apiml" train -q --db month.duckdb --models month --cv 5
}

section_logs() {
	printf '\n## Access logs: coverage, and what the built-in models flag in logs without labels\n'
	for f in "$data"/logs/{memasik,zanbil,sparkdeveloper}*; do
		run "$apiml" ingest -q --db logs.duckdb "$(first "$f")"
		run "$apiml" score -q --models none "$(first "$f")"
	done
}

section_builtin() {
	printf '\n## Built-in models, fitted on generated traffic only, on labelled requests of other origin\n'
	for set in grananqvist fwaf w3af; do
		run "$apiml" evaluate attack -q --models none --data "$(first "$data/attack-dev/$set.jsonl.gz")" --truth "$(first "$data/attack-dev/$set.truth.jsonl.gz")" --worst 5
	done
}

section_latency() {
	printf '\n## Latency\n\nFour real tables, in time order 70/30, ms, beside the better median; two logs, in seconds, the last fifth set aside.\n\n```\n'
	(cd "$repo" && APIML_DATASETS="$data" "${GO:-go}" test ./train -count=1 -run '^TestRealTables$' -v | grep -E '^ *(=== RUN +TestRealTables/|regressor_test|--- FAIL|FAIL)' | sed -E 's/^=== RUN +TestRealTables.//; s/^ *regressor_test.go:[0-9]+: /  /; s/(\.[0-9]{3})[0-9]+/\1/g; s/ \([0-9.]+s\)//')
	echo '```'
	for log in aws_elb_classic_api_2015 haproxy_http_2014; do
		quiet "$apiml" ingest -q --db $log.duckdb "$(first "$data"/logs/$log*)"
		run "$apiml" train latency -q --db $log.duckdb --models $log --cv 3
	done
}

section_forecast() {
	printf '\n## Forecasts\n\nM4 Hourly by one configuration, then by the additive model and the LSTM alone; rolling-origin backtests of public series.\n'
	m4=(--m4-train "$(first "$data"/timeseries/m4_Hourly-train.csv*)" --m4-test "$(first "$data"/timeseries/m4_Hourly-test.csv*)")
	for model in auto additive lstm; do
		run "$apiml" evaluate forecast -q "${m4[@]}" --model "$model"
	done
	for set in derived_memasik_per_minute:timestamp_utc:30 worldcup98_per_minute_requests_bytes:timestamp:30 derived_sparkdeveloper_per_hour:timestamp_utc:24; do
		IFS=: read -r file time horizon <<<"$set"
		run "$apiml" forecast -q --csv "$(first "$data/timeseries/$file".csv*)" --time "$time" --value requests --horizon "$horizon" --backtest
	done
}

section_forecast-more() {
	printf '\n## Forecasts: one network for all series, backtests, Peyton Manning\n\n```\n'
	GO="${GO:-go}" APIML_DATASETS="$data" "$repo/docs/results-forecast.sh" "$apiml" 2>&1 | sed "s|$data|DATASETS|g"
	echo '```'
}

section_tune() {
	printf '\n## Search of parameters, with a score that the search has not seen\n'
	quiet "$apiml" generate -q --requests 20000 --attacks 0.05 --days 7 -o search.csv
	run "$apiml" tune cache -q --data search.csv --models tune --n-iter 10 -o cache.yaml
	run "$apiml" tune behavior -q --data search.csv --models tune --n-iter 10 -o behavior.yaml
	run "$apiml" tune latency -q --data "$(first "$data"/logs/aws_elb_classic_api_2015*)" --models tune --n-iter 10 -o latency.yaml
}

section_audit() {
	printf '\n## Leakage audit on 20 generated sets without a leak\n\n6,000 requests each, one in five an attack; findings of `attack` and `anomaly` together. At most one in all is the aim; the planted leaks that it has to find are in train/audit_test.go.\n\n```\n'
	local seed profile n all=0
	local profiles=(shop mobile-api internal site)
	for seed in $(seq 1 20); do
		profile=${profiles[$((seed % 4))]}
		if ! "$apiml" generate -q --requests 6000 --attacks 0.2 --seed "$seed" --profile "$profile" -o clean.csv 2>.err ||
			! "$apiml" train attack anomaly -q --data clean.csv --models clean --json >clean.json 2>>.err; then
			echo "seed $seed: failed: $(tail -1 .err)"
			continue
		fi
		n=$(grep -c '"level": "warning"' clean.json)
		all=$((all + n))
		echo "seed $seed, $profile: $n findings"
		[ "$n" = 0 ] || grep -A2 '"level": "warning"' clean.json
	done
	echo "in all: $all"
	echo '```'
}

for s in $sections; do
	section "$s"
done
