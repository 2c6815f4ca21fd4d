#!/bin/bash
# Forests of apiml beside scikit-learn's, boosted trees beside XGBoost's, on the same files, in CPU seconds, with
# the quality in the same line: peers.sh [SCALE [SEEDS [WORKERS]]]. SCALE 1 are
# the full sizes (an hour of CPU per 5 seeds), 0.1 a look. The files and the
# peer's packages (from PyPI) go into .peers/, which git ignores.
set -euo pipefail
cd "$(dirname "$0")/../.."
scale=${1:-0.1} seeds=${2:-5} workers=${3:-1}
export OMP_WAIT_POLICY=passive OPENBLAS_NUM_THREADS=1
py=.peers/venv/bin/python
if ! $py -c 'import sklearn, xgboost, onnx, onnxruntime' 2>/dev/null; then
	python3 -m venv .peers/venv
	.peers/venv/bin/pip -q install scikit-learn xgboost onnx onnxruntime
fi
dir=.peers/trees-$scale
mkdir -p "$dir"
${GO:-go} build -o .peers/treebench ./examples/treebench
[ -f "$dir/isolation.json" ] && [ -f "$dir/boostcat.json" ] || .peers/treebench data "$dir" "$scale"
for seed in $(seq 1 "$seeds"); do
	for task in forest small cv isolation; do
		echo "apiml $task $(.peers/treebench $task "$dir" "$seed" "$workers")"
		echo "scikit-learn $task $($py examples/treebench/peer.py $task "$dir" "$seed" "$workers")"
	done
	for task in boost boostcat; do
		echo "XGBoost $task $($py examples/treebench/peer.py $task "$dir" "$seed" "$workers")" # first: it says which error is to be reached
		echo "apiml $task $(.peers/treebench $task "$dir" "$seed" "$workers")"
	done
done | tee "$dir/runs.txt" | $py -c '
import json, statistics as st, sys
runs = {}
for line in sys.stdin:
    who, task, text = line.split(" ", 2)
    runs.setdefault(task, {}).setdefault(who, []).append(json.loads(text))
med = lambda rows, k: st.median(r[k] for r in rows)
print("%-20s %10s %12s %7s  medians over %d seeds" % ("task", "apiml", "peer", "ratio", max(len(r["apiml"]) for r in runs.values())))
for task, r in runs.items():
    a, b = r["apiml"], r.get("scikit-learn") or r["XGBoost"]
    q = next(k for k in ("macro_f1", "auc", "rmse") if k in a[0])
    quality = "%s %.4f +- %.4f and %.4f +- %.4f" % (q, med(a, q), st.pstdev([v[q] for v in a]), med(b, q), st.pstdev([v[q] for v in b]))
    for k, unit in (("fit", "CPU s"), ("predict", "CPU s"), ("model_bytes", "bytes"), ("rss_mib", "MiB")):
        if k in a[0] and k in b[0]:
            x, y = med(a, k), med(b, k)
            print("%-20s %10.4g %12.4g %7.2f  %-6s %s" % (task + " " + k, x, y, y / x, unit, quality))
'
.peers/treebench onnx "$dir" >/dev/null
.peers/treebench exchange "$dir" >/dev/null
echo "onnxruntime, largest difference of predictions: $($py examples/treebench/peer.py onnx "$dir")"
# XGBoost reads what apiml wrote and the other way round, in three of its versions.
for version in 1.7.6 2.1.4 ""; do
	at=
	if [ -n "$version" ]; then
		at=.peers/xgboost-$version
		[ -d "$at/xgboost" ] || .peers/venv/bin/pip -q install --no-deps --target "$at" "xgboost==$version"
	fi
	rm -f "$dir"/peer-*
	echo "XGBoost with models of apiml, largest difference of predictions: $(PYTHONPATH=$at $py examples/treebench/peer.py exchange "$dir")"
	echo "apiml with models of XGBoost $version, largest difference: $(.peers/treebench import "$dir")"
done
