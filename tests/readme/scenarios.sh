#!/usr/bin/env bash
# Every test that docs/scenarios.md and docs/crash-safety.md name exists, and no number from 1 to 66 is left out.
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
done < <(grep -hE '^\| ' "$source_dir/docs/scenarios.md" "$source_dir/docs/crash-safety.md" |
    grep -oE '`[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9.]+`' | tr -d '`')
seen=" $(sed -nE 's/^\| ([0-9][0-9 ,–]*) \|.*/\1/p' "$source_dir/docs/scenarios.md" | tr ',' '\n' |
    while read -r from dash to; do seq "$from" "${to:-$from}"; done | tr '\n' ' ')"
for number in $(seq 66); do
    case $seen in *" $number "*) ;; *) echo "FAILED: docs/scenarios.md says nothing of $number"; missing=1 ;; esac
done
[ $missing = 0 ] && [ $count -gt 0 ] || exit 1
echo "ok: $count tests that the docs name exist"
