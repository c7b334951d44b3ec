#!/usr/bin/env bash
# Every script that is shipped is run by a gate: scripts/, models/run and what .ci checks with. Scenario 64.
# usage: scripts.sh SOURCE_DIR
set -euo pipefail
cd "$1"
missing=0 count=0
for script in scripts/* models/run .ci/check_*; do
    [ -f "$script" ] || continue
    count=$((count + 1))
    grep -qE "^step .*[ /]$script( |\$)" .ci/run .ci/nightly || {
        echo "FAILED: $script is run neither by .ci/run nor by .ci/nightly"
        missing=1
    }
done
[ $missing = 0 ] && [ $count -gt 0 ] || exit 1
echo "ok: $count scripts are run by a gate"
