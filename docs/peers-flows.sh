#!/usr/bin/env bash
# apiml's classifier of flows beside scikit-learn's RandomForestClassifier on the
# same 25 folds of the CIC-IDS2017 sample: paired difference of macro-F1 and CPU
# seconds. scikit-learn comes from PyPI into .peers/. Finished folds of the peer are
# kept there, so that an interrupted run goes on.
# usage: peers-flows.sh bin/apiml [SEED…]
set -euo pipefail
apiml=$(realpath "$1")
shift
here=$(realpath "$(dirname "$0")")
peers=$(realpath "$here/..")/.peers
data=${APIML_DATASETS:?set APIML_DATASETS to the folder of the data sets}/cicids2017/cicids2017_mlcsv_union154k.csv
mkdir -p "$peers/flows"
if [ ! -x "$peers/sk/bin/python" ]; then
	python3 -m venv "$peers/sk"
	"$peers/sk/bin/pip" install -q scikit-learn pandas
fi
cd "$peers/flows"
if [ -e "$data" ]; then cp "$data" cic.csv; else zstd -qdfc "$data.zst" >cic.csv; fi
cpu=$( { /usr/bin/env time -f '%U %S' "$apiml" train attack --data cic.csv --cv 5 --cv-scheme random --folds-out folds.csv --models models --json -q >apiml.json; } 2>&1 | tail -1 | awk '{print $1 + $2}')
"$peers/sk/bin/python" "$here/peers-flows.py" cic.csv folds.csv peer.json "$@"
"$peers/sk/bin/python" "$here/peers-flows.py" --compare apiml.json peer.json "$cpu"
