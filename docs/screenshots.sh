#!/bin/bash
# Makes the pictures of README.md: screenshots.sh BIN. A demo's report is opened
# in Chromium (or Google Chrome), without network.
set -euo pipefail
bin=$(realpath "$1")
cd "$(dirname "$0")"
for browser in chromium chromium-browser google-chrome ""; do
	command -v "${browser:-none}" >/dev/null && break
done
[ -n "$browser" ] || { echo "screenshots.sh: no chromium, chromium-browser or google-chrome" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$bin" demo -q -o "$work/demo" >/dev/null
"$bin" report -q --db "$work/demo/apiml.duckdb" --models "$work/demo/models" --title "API traffic report (demo)" \
	-o "$work/report.html"
"$bin" report -q --db "$work/demo/apiml.duckdb" --models "$work/demo/models" --title "API traffic report (demo)" \
	--section security -o "$work/report-security.html"
sandbox=()
[ "$(id -u)" -ne 0 ] || sandbox=(--no-sandbox)
for name in report report-security; do
	"$browser" --headless=new "${sandbox[@]}" --disable-gpu --hide-scrollbars --host-resolver-rules='MAP * ~NOTFOUND' \
		--user-data-dir="$work/profile" --window-size=1280,1240 --virtual-time-budget=8000 \
		--screenshot="$work/$name.webp" "file://$work/$name.html" >/dev/null 2>&1
	mv "$work/$name.webp" "$name.webp"
	echo "docs/$name.webp: $(stat -c %s "$name.webp") bytes"
done
