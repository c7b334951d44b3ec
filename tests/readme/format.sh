#!/usr/bin/env bash
# Holds docs/format.md against the headers: each row "| offset | bytes | field |" below a heading
# "## Table N: struct" becomes a static_assert on that struct, and the rows leave no gap.
# usage: format.sh SOURCE_DIR CXX
set -euo pipefail
source_dir=$1
cxx=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

awk -F'|' '
    BEGIN { print "#include <cstddef>\n#include \"sluice/detail/part/bytes/bytes_layout.hpp\"\n#include \"sluice/detail/part/latest/latest_layout.hpp\"\n#include \"sluice/detail/part/mpmc/mpmc_layout.hpp\"\n#include \"sluice/detail/part/service/service_layout.hpp\"\n#include \"sluice/detail/part/spsc/spsc_layout.hpp\"\n#include \"sluice/detail/part/topic/topic_layout.hpp\"\n#include \"sluice/detail/plan/segment_plan.hpp\"\nusing namespace sluice::detail;" }
    function done() { if (name != "" && rows) printf "static_assert(sizeof(%s) == %d, \"%s: its rows end here\");\n", name, end, name }
    /^## / { done(); name = ""; rows = 0; end = 0 }
    /^## Table [0-9]+: / { name = $0; sub(/.*: /, "", name); tables++ }
    name != "" && $2 ~ /^ [0-9]+ $/ {
        gsub(/ /, "", $4); rows++
        if ($2 + 0 != end) { print "#error \"" name ": gap before " $4 "\"" }
        end = $2 + $3
        printf "static_assert(offsetof(%s, %s) == %d && sizeof(%s::%s) == %d, \"%s.%s\");\n", name, $4, $2, name, $4, $3, name, $4
        all++
    }
    END { done(); if (tables != 24) print "#error \"twenty-four tables expected\""; print "// " all " rows" }
' "$source_dir/docs/format.md" > "$work/format.cpp"
"$cxx" -std=c++20 -fsyntax-only -I "$source_dir/include" "$work/format.cpp" \
    || { echo "FAILED: docs/format.md and the headers differ"; exit 1; }
echo "ok: $(tail -n 1 "$work/format.cpp" | tr -d /) of docs/format.md hold"
