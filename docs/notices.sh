#!/bin/bash
# Writes the notices of everything that is linked into the program to standard
# output: notices.sh. The texts come from the module cache, go's own folder,
# report/assets and notices-duckdb.txt; equal texts are printed once.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C
go=${GO:-go}
root=$($go env GOROOT)
list() { # name of the part, tab, file
	$go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}	{{.Dir}}	{{$.Dir}}{{end}}{{end}}' ./cmd/apiml | sort -u |
		while IFS=$'\t' read -r name top dir; do
			while :; do # the folder of the package and those above it
				find "$dir" -maxdepth 1 -type f \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' -o -iname 'patents*' \) ! -name '*.go' -printf "$name\t%p\n"
				[ "$dir" = "$top" ] && break
				dir=$(dirname "$dir")
			done
			find "$top" -path "$top/THIRD_PARTY_LICENSES/*" -type f ! -name '*TestSuite*' -printf "$name\t%p\n"
			find "$top" -path "$top/deps/LICENSE*" -type f -printf "DuckDB, in $name\t%p\n"
		done | sort -u
	printf 'the Go runtime and standard library\t%s\n' "$root/LICENSE" "$root/PATENTS"
	printf 'Apache ECharts, in the report\t%s\n' report/assets/echarts-LICENSE report/assets/echarts-NOTICE
	printf 'libraries inside DuckDB\t%s\n' docs/notices-duckdb.txt
}
declare -A names texts
order=()
while IFS=$'\t' read -r name file; do
	sum=$(sha256sum <"$file")
	[ -n "${texts[$sum]:-}" ] || order+=("$sum")
	texts[$sum]=$file
	names[$sum]+="$name: $(basename "$file")"$'\n'
done < <(list)
echo "Third-party notices: what is linked into apiml or part of its reports, and under"
echo "which terms. Made by \`make notices\`; printed by \`apiml version --licenses\`."
line=$(printf '=%.0s' {1..80})
for sum in "${order[@]}"; do
	printf '\n%s\n%s%s\n\n' "$line" "${names[$sum]}" "$line"
	tr -d '\r' <"${texts[$sum]}" | sed 's/[[:space:]]*$//'
done
