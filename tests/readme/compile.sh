#!/usr/bin/env bash
# Compiles and links every block of README.md and docs/ that begins with "```cpp complete",
# runs that of README.md (`program produce`, then `program`), and holds docs/format.md against the headers.
# usage: compile.sh SOURCE_DIR LIBRARY_A CXX
set -euo pipefail
source_dir=$1
library=$2
cxx=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SLUICE_DIR=$work/registry
mkdir -m 700 "$SLUICE_DIR"

# One file a block, named after its document and first line.
awk -v out="$work" '
    /^```cpp complete$/ { name = FILENAME; gsub(/[^A-Za-z0-9]/, "_", name); file = out "/" name "_" FNR ".cpp"; next }
    /^```/ { file = ""; next }
    file != "" { print > file }
' $(cd "$source_dir" && find README.md docs -name '*.md' | sort | sed "s|^|$source_dir/|")

shopt -s nullglob
blocks=("$work"/*.cpp)
[ ${#blocks[@]} -gt 0 ] || { echo "FAILED: no complete block found"; exit 1; }
readme_blocks=0
for block in "${blocks[@]}"; do
    "$cxx" -std=c++20 -O1 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror \
        -I "$source_dir/include" "$block" "$library" -pthread -o "${block%.cpp}" \
        || { echo "FAILED: $(basename "$block") does not compile"; exit 1; }
    echo "ok: $(basename "$block"): $(wc -l < "$block") lines compile"
    case $block in *_README_md_*) ;; *) continue ;; esac
    readme_blocks=$((readme_blocks + 1))
    timeout 20 "${block%.cpp}" produce || { echo "FAILED: $(basename "$block") produce"; exit 1; }
    said=$(timeout 20 "${block%.cpp}") || { echo "FAILED: $(basename "$block")"; exit 1; }
    [ "$said" = "7: 1.00 / 1.10" ] || { echo "FAILED: $(basename "$block") said '$said'"; exit 1; }
    echo "ok: $(basename "$block") runs"
done
[ $readme_blocks = 1 ] || { echo "FAILED: README.md has $readme_blocks complete blocks, not 1"; exit 1; }
bash "$(dirname "$0")/format.sh" "$source_dir" "$cxx"
bash "$(dirname "$0")/scenarios.sh" "$source_dir"
