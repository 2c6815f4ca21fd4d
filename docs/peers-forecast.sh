#!/bin/bash
# The additive model beside R's prophet, the same series and the same model: CPU
# seconds, negative log-posterior (lower is better), peak memory. With APIML_DATASETS
# also Prophet's cross-validation of Peyton Manning. An R without prophet gets it from
# Debian (r-cran-prophet) into .peers/; without R the own half is printed.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
${GO:-go} test -c -o "$work/forecast.test" ./forecast
own() { (cd forecast && APIML_PEER_DIR=$work /usr/bin/env time -f 'memory %M' "$work/forecast.test" -test.run '^TestPeer$' 2>&1 | grep -E '^(minutes|peyton|memory)'); }
ours=$(own)
echo "apiml's additive model:"
echo "$ours"
has() { Rscript -e 'suppressWarnings(library(prophet))' >/dev/null 2>&1; }
# The packages of Debian, unpacked: nothing is installed.
private() {
	local dir=$PWD/.peers/rprophet list
	if [ ! -d "$dir/usr" ]; then
		list=$(apt-get install -s --no-install-recommends r-cran-prophet 2>/dev/null | awk '/^Inst (r-cran|libtbb|libhwloc)/ {print $2}')
		[ -n "$list" ] || return
		mkdir -p "$dir/debs"
		# shellcheck disable=SC2086
		(cd "$dir/debs" && apt-get download $list >/dev/null && for d in *.deb; do dpkg -x "$d" ..; done) || return
		rm -r "$dir/debs"
	fi
	local lib
	lib=$(find "$dir/usr/lib" -name 'libtbb.so.12*' | sort | head -1)
	export R_LIBS=$dir/usr/lib/R/site-library:$dir/usr/lib/R/library LD_LIBRARY_PATH=${lib%/*} LD_PRELOAD=$lib
}
if ! command -v Rscript >/dev/null || ! { has || { private && has; }; }; then
	echo "R's prophet: not installed, skipped"
	exit
fi
peer=$(/usr/bin/env time -f 'memory %M' Rscript docs/peers-forecast.R "$work" 2>&1 | grep -E '^(minutes|peyton|memory)')
echo "R's prophet:"
echo "$peer"
field() { awk -v row="$2" -v name="$3" '$1 == row { for (i = 2; i < NF; i++) if ($i == name) print $(i + 1) }' <<<"$1"; }
for row in minutes peyton; do
	a=$(field "$ours" $row cpu) b=$(field "$peer" $row cpu)
	[ -z "$b" ] || awk "BEGIN{printf \"$row: prophet takes %.0f times the CPU seconds\n\", $b / $a}"
done
awk "BEGIN{printf \"objective of prophet - ours: %.3f (ours is as good or better if not negative)\n\", $(field "$peer" minutes objective) - $(field "$ours" minutes objective)}"
