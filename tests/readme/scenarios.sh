#!/usr/bin/env bash
# Every test that docs/scenarios.md, docs/crash-safety.md and docs/operations.md name exists, no number from 1 to 66 is left
# out, and every row of the table of what works where names a test.
# usage: scenarios.sh SOURCE_DIR
set -euo pipefail
source_dir=$1
known=$(grep -rhoE "^ *(TEST|TEST_F|TEST_P|TYPED_TEST|TYPED_TEST_P)\( *\w+, *\w+" "$source_dir/tests" | sed -E 's/.*\( *//; s/, */./')
missing=0 count=0
while read -r name; do
    count=$((count + 1))
    case $name in
        *.*) grep -qxF -- "$name" <<< "$known" ;;
        *) grep -q "^$name\." <<< "$known" ;;
    esac || { echo "FAILED: docs name $name, which is no test"; missing=1; }
done < <(grep -hE '^\| ' "$source_dir/docs/scenarios.md" "$source_dir/docs/crash-safety.md" \
    <(sed -n '/^## What works where/,/^## /p' "$source_dir/docs/operations.md") |
    grep -oE '`[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9.]+`' | tr -d '`')
seen=" $(sed -nE 's/^\| ([0-9][0-9 ,–]*) \|.*/\1/p' "$source_dir/docs/scenarios.md" | tr ',' '\n' |
    while read -r from dash to; do seq "$from" "${to:-$from}"; done | tr '\n' ' ')"
for number in $(seq 66); do
    case $seen in *" $number "*) ;; *) echo "FAILED: docs/scenarios.md says nothing of $number"; missing=1 ;; esac
done
while read -r row; do
    grep -qE '`[A-Z][A-Za-z0-9]*\.[A-Z][A-Za-z0-9]+`' <<< "$row" ||
        { echo "FAILED: docs/operations.md ties no test to: $row"; missing=1; }
done < <(sed -n '/^## What works where/,/^## /p' "$source_dir/docs/operations.md" | grep -E '^\| ' | tail -n +2)
[ $missing = 0 ] && [ $count -gt 0 ] || exit 1
echo "ok: $count tests that the docs name exist"
