#!/bin/bash
# DBSCAN of apiml beside scikit-learn's (from PyPI, into .peers/) and, if it is
# installed, that of R's package dbscan (apt install r-cran-dbscan), on the same
# files, in CPU seconds: peers.sh [ROWS [LARGE]]. Then LARGE rows, and the growth.
set -euo pipefail
cd "$(dirname "$0")/../.."
rows=${1:-200000} large=${2:-1000000}
export OMP_WAIT_POLICY=passive OPENBLAS_NUM_THREADS=1
py=.peers/venv/bin/python
if ! $py -c 'import sklearn' 2>/dev/null; then
	python3 -m venv .peers/venv && .peers/venv/bin/pip -q install scikit-learn
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bin=$work/clusterbench
${GO:-go} build -o "$bin" ./examples/clusterbench
field() { sed -E "s/.*\"$1\": ?([0-9.]+).*/\1/"; }

read -r eps least <<<"$("$bin" data "$work/x" "$rows")"
echo "$rows rows of 8 columns, eps $eps (about 50 neighbours), min_samples $least"
mine=$("$bin" dbscan "$work/x" "$eps" "$least" 0 "$work/labels")
echo "apiml               $mine"
echo "apiml, live heap    $(LIVE_HEAP=1 "$bin" dbscan "$work/x" "$eps" "$least")"
peer=$($py examples/clusterbench/peer.py "$work/x" "$eps" "$least" "$work/labels")
echo "scikit-learn        $peer"
cpu=$(field cpu_s <<<"$mine")
awk "BEGIN{printf \"scikit-learn takes %.1f times the CPU seconds\n\", $(field cpu_s <<<"$peer") / $cpu}"
if command -v Rscript >/dev/null && Rscript -e 'library(dbscan)' >/dev/null 2>&1; then
	peer=$(Rscript examples/clusterbench/peer.R "$work/x" "$eps" "$least")
	echo "R's dbscan          $peer"
	awk "BEGIN{printf \"R's dbscan takes %.1f times the CPU seconds\n\", $(field cpu_s <<<"$peer") / $cpu}"
else
	echo "R's dbscan: not installed, skipped"
fi
first=
for n in $((large / 10)) "$large"; do
	read -r eps least <<<"$("$bin" data "$work/x" "$n")"
	run=$("$bin" dbscan "$work/x" "$eps" "$least")
	echo "apiml, $n rows   eps $eps $run"
	t=$(field cpu_s <<<"$run")
	[ -z "$first" ] || awk "BEGIN{printf \"10 times the rows take %.1f times the CPU seconds; n log n is %.1f\n\", $t / $first, 10 * log($n) / log($n / 10)}"
	first=$t
done
