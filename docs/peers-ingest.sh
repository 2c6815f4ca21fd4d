#!/bin/bash
# Reads the same combined log with apiml and with what one would take instead,
# one after the other, and prints CPU seconds (user + system) and their ratios.
# GoAccess comes from the distribution (apt install goaccess); DuckDB's own CSV
# reader from PyPI, into .peers/. What is not there is skipped and said.
# Usage: peers-ingest.sh bin/apiml [LINES]
set -euo pipefail
bin=$(realpath "$1")
lines=${2:-5000000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=$work/access.log
echo "generating $lines combined lines"
"$bin" generate -q --requests "$lines" -o "$log"
echo "$(stat -c %s "$log") bytes"

cpu() { # cpu NAME COMMAND…: CPU seconds into the variable NAME, peak memory into NAME_mib
	local name=$1 out
	shift
	if ! out=$( { /usr/bin/env time -f '%U %S %M' "$@" >/dev/null 2>"$work/err"; } 2>&1; tail -1 "$work/err"); then
		cat "$work/err" >&2
		return 1
	fi
	read -r u s m <<<"$out"
	printf -v "$name" '%s' "$(awk "BEGIN{print $u + $s}")"
	printf -v "${name}_mib" '%s' "$((m / 1024))"
}

cpu parse "$bin" ingest -q --dry-run "$log"
cpu store "$bin" ingest -q --db "$work/a.duckdb" "$log"
printf '%-34s %8s %14s %10s\n' "" "CPU s" "lines/CPU s" "peak MiB"
row() { printf '%-34s %8.2f %14.0f %10d\n' "$1" "$2" "$(awk "BEGIN{print $lines / $2}")" "$3"; }
row "apiml ingest --dry-run (parse)" "$parse" "$parse_mib"
row "apiml ingest (parse + store)" "$store" "$store_mib"

if command -v goaccess >/dev/null; then
	cpu goaccess goaccess "$log" --log-format=COMBINED --no-progress -o "$work/report.html"
	row "$(goaccess --version | head -1 | tr -d -- '-') (report)" "$goaccess" "$goaccess_mib"
	awk "BEGIN{printf \"GoAccess takes %.1f times the CPU of parse + store, %.1f times that of parsing\n\", $goaccess / $store, $goaccess / $parse}"
else
	echo "goaccess: not installed, skipped"
fi

if [ ! -x .peers/duckdb/bin/python ]; then
	python3 -m venv .peers/duckdb && .peers/duckdb/bin/pip install -q duckdb || echo "duckdb: cannot be installed, skipped"
fi
if [ -x .peers/duckdb/bin/python ]; then
	cat >"$work/read.py" <<'PY'
import sys, duckdb
log, db = sys.argv[1:]
c = duckdb.connect(db)
# A combined line as CSV with blanks as separators; the time falls into two columns.
c.execute("""CREATE TABLE requests AS SELECT * FROM read_csv(?, delim=' ', quote='"', escape='\\', header=false, auto_detect=false,
 strict_mode=false, ignore_errors=true, columns={'client':'VARCHAR','ident':'VARCHAR','user':'VARCHAR','t':'VARCHAR','zone':'VARCHAR','request':'VARCHAR',
 'status':'INTEGER','size':'VARCHAR','referrer':'VARCHAR','agent':'VARCHAR'})""", [log])
print(c.execute("SELECT count(*) FROM requests").fetchone()[0], file=sys.stdout)
PY
	if cpu duckdb .peers/duckdb/bin/python "$work/read.py" "$log" "$work/b.duckdb"; then
		row "DuckDB $(.peers/duckdb/bin/python -c 'import duckdb; print(duckdb.__version__)') read_csv (split only)" "$duckdb" "$duckdb_mib"
		awk "BEGIN{printf \"DuckDB's CSV reader takes %.2f times the CPU of parse + store; it parses no times, methods or targets and redacts nothing\n\", $duckdb / $store}"
	else
		echo "duckdb: failed, skipped"
	fi
fi
