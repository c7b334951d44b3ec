#!/usr/bin/env bash
# Installs a finished build into a temporary prefix and builds the outside
# project against it, as a user would: by find_package and by pkg-config, with
# the shared and with the static library.
# usage: run.sh BUILD_DIR CXX
set -euo pipefail
build_dir=$1
cxx=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

fail() { echo "FAILED: $*" >&2; exit 1; }

cmake --install "$build_dir" --prefix "$work/staged" > "$work/install.log"
mv "$work/staged" "$prefix"  # what depends on the first place fails below
libdir=$(dirname "$(find "$prefix" -name libsluice.so)")
[ -e "$libdir/libsluice.so.0" ] || fail "no libsluice.so.0 beside libsluice.so"
[ -e "$libdir/libsluice.a" ] || fail "no libsluice.a beside libsluice.so"
soname=$(readelf -d "$libdir/libsluice.so" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
[ "$soname" = libsluice.so.0 ] || fail "soname is '$soname'"

echo "== installed headers and library need neither Boost nor spdlog"
if grep -rnE '#[[:space:]]*include[[:space:]]*[<"](boost|spdlog|fmt)/' "$prefix/include"; then
    fail "an installed header includes a private dependency"
fi
if readelf -d "$libdir/libsluice.so" | grep -E 'NEEDED.*(boost|spdlog|fmt)'; then
    fail "libsluice.so needs a private dependency at run time"
fi
"$cxx" -std=c++20 -M -I "$prefix/include" "$here/main.cpp" > "$work/includes"
if grep -oE '[^ ]*/(boost|spdlog|fmt)/[^ ]*' "$work/includes"; then
    fail "the outside project reads headers of a private dependency"
fi

export SLUICE_DIR=$work/registry
mkdir -m 700 "$SLUICE_DIR"
run() {  # NAME PROGRAM
    local said
    said=$("$2") || fail "$1: the program ended with $?"
    [ "$said" = "received 7" ] || fail "$1: the program said '$said'"
    echo "ok: $1"
}

echo "== find_package"
cmake -S "$here" -B "$work/outside" -G Ninja -DCMAKE_BUILD_TYPE=Release \
      -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_PREFIX_PATH="$prefix" > "$work/configure.log" \
    || { cat "$work/configure.log"; fail "configure"; }
cmake --build "$work/outside" > "$work/build.log" || { cat "$work/build.log"; fail "build"; }
readelf -d "$work/outside/outside_shared" | grep -q 'NEEDED.*libsluice.so.0' \
    || fail "outside_shared is not linked to libsluice.so.0"
! readelf -d "$work/outside/outside_static" | grep -q 'NEEDED.*libsluice' \
    || fail "outside_static is linked to the shared library"
run "find_package, shared" "$work/outside/outside_shared"
run "find_package, static" "$work/outside/outside_static"

echo "== pkg-config"
export PKG_CONFIG_PATH=$libdir/pkgconfig
[ "$(pkg-config --modversion sluice)" = "$(sed -n 's/^set(PACKAGE_VERSION "\(.*\)")/\1/p' \
    "$libdir/cmake/sluice/sluice-config-version.cmake")" ] || fail "two versions installed"
# shellcheck disable=SC2046  # the flags are words
"$cxx" -std=c++20 -O2 $(pkg-config --cflags sluice) "$here/main.cpp" \
    $(pkg-config --libs sluice) -Wl,-rpath,"$libdir" -o "$work/by_pkg_config"
# shellcheck disable=SC2046
"$cxx" -std=c++20 -O2 $(pkg-config --cflags sluice) "$here/main.cpp" \
    "$(pkg-config --variable=libdir sluice)/libsluice.a" -pthread -o "$work/by_pkg_config_static"
run "pkg-config, shared" "$work/by_pkg_config"
run "pkg-config, static" "$work/by_pkg_config_static"

if [ -e "$prefix/bin/sluice" ]; then
    "$prefix/bin/sluice" --help > "$work/help" || fail "the installed tool does not start"
    echo "ok: the installed tool starts"
fi

# An older language ends in one sentence.
echo "== -std=c++17"
! "$cxx" -std=c++17 -I "$prefix/include" -fsyntax-only "$here/main.cpp" > "$work/older" 2>&1 \
    || fail "compiled as C++17"
grep -q 'sluice needs C++20: compile with -std=c++20' "$work/older" || fail "C++17: $(cat "$work/older")"
[ "$(grep -c 'error:' "$work/older")" = 2 ] || fail "C++17 gives more than the sentence and the end: $(cat "$work/older")"
echo "ok: C++17 is refused in $(wc -l < "$work/older") lines"

# The README from top to bottom in one registry, as a new user types it: its program, then each line after "$ ", whose
# output must be what the README shows. Numbers and spaces may differ.
echo "== README.md"
readme=$here/../../README.md
cd "$work"
export SLUICE_DIR=$work/registry_of_readme
mkdir -m 700 "$SLUICE_DIR"
awk '/^```cpp complete$/ { on = 1; next } /^```/ { on = 0 } on' "$readme" > quotes.cpp
awk '/^```console$/ { on = 1; next } /^```/ { on = 0 } on' "$readme" > shown
grep -q '^\$ ' shown || fail "README.md has no console block"
alike() { sed -E 's/[0-9]+/N/g; s/[[:space:]]+/ /g; s/ $//' "$1"; }
export PATH=$prefix/bin:$PATH LD_LIBRARY_PATH=$libdir

while IFS= read -r line; do
    case $line in
        '$ '*) echo "$line" >> said; rc=0
               eval "${line#'$ '}" < /dev/null >> said 2>&1 || rc=$?
               [ $rc = 0 ] || { cat said; fail "README.md: ${line#'$ '}: ended with $rc"; } ;;
    esac
done < shown
commands=$(grep -c '^\$ ' said)
diff <(alike shown) <(alike said) || fail "README.md: what it shows (<) is not what comes (>)"
echo "ok: README.md: $commands commands, and what they print"
