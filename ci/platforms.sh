#!/usr/bin/env bash
# Checks the systems that this one is not.
#
# Windows: everything is built with Debian's cross compilers, and every test program runs under Wine.
# macOS, the BSDs and other Linux machines: clippy, for which no linker is needed. A warning fails it.
#
# Needs root on Debian (or the packages below) and takes about eight minutes on two cores. The standard library of each target
# is built from its source, as Debian's Rust comes with that.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'platforms: %s (%s)\n' "$*" "$(date +%H:%M:%S)" >&2; }
skip() {
  say "SKIPPED: $*"
  exit 0
}

[[ $(uname -s) == Linux && $(uname -m) == x86_64 ]] || skip "made for Linux on x86-64"

declare -A needs=(
  [/usr/bin/cargo]=cargo-web
  [/usr/bin/rustc]=rustc-web
  [/usr/bin/cargo-clippy]=rust-web-clippy
  [/usr/lib/rustlib/src/rust/library/std]=rust-web-src
  [/usr/bin/cc]=gcc
  [/usr/bin/x86_64-w64-mingw32-gcc]=gcc-mingw-w64-x86-64
  [/usr/lib/wine/wine64]=wine64
)
missing=()
for file in "${!needs[@]}"; do [[ -e $file ]] || missing+=("${needs[$file]}"); done
if ((${#missing[@]})); then
  command -v apt-get >/dev/null || skip "missing: ${missing[*]}"
  [[ $(id -u) == 0 ]] || skip "missing, and only root can install them: ${missing[*]}"
  say "installing ${missing[*]}"
  {
    apt-get update -qq &&
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
  } >/dev/null </dev/null || skip "could not install ${missing[*]}"
fi

# One folder of its own, for another compiler than the usual one. Nothing in it is for debuggers, so that it stays small.
folder=$(mktemp -d /tmp/kpp.XXXXXX)
wine() { "$@" </dev/null; }
clean() {
  # Ends every process of this prefix, whatever the tests have left.
  WINEPREFIX=$folder/prefix timeout 60 /usr/lib/wine/wineserver64 -k >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap clean EXIT
trap 'exit 1' INT TERM HUP

unset RUSTFLAGS RUSTUP_TOOLCHAIN CARGO_BUILD_TARGET RUSTC_WRAPPER
# Only a nightly compiler has -Zbuild-std; this makes Debian's one of them.
export RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc PATH="/usr/bin:$PATH"
export CARGO_TARGET_DIR=$folder/target CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0 CARGO_TERM_COLOR=never
std=(-Zbuild-std=std,panic_abort --locked --quiet)
windows=x86_64-pc-windows-gnu

lint() { # TARGET, and what to look at
  local target=$1
  shift
  say "clippy for $target: $*"
  /usr/bin/cargo clippy "${std[@]}" --target "$target" "$@" -- -D warnings
  # The next target shares nothing with this one.
  [[ $target == "$windows" ]] || rm -rf "$folder/target/$target"
}

lint "$windows" --workspace --all-targets

say "building the tests for $windows"
# Cargo names each test program on stderr, in brackets behind its sources.
/usr/bin/cargo test -Zbuild-std=std,panic_abort --locked --target "$windows" --workspace --no-run 2>"$folder/log" || {
  cat "$folder/log" >&2
  exit 1
}
mapfile -t programs < <(sed -n 's/^ *Executable .* (\(.*\.exe\))$/\1/p' "$folder/log")
# The unit tests and the integration tests of two packages, and the tests of the fixtures: fewer means that they were not found.
((${#programs[@]} >= 5)) || {
  cat "$folder/log" >&2
  say "found only ${#programs[@]} test programs"
  exit 1
}

# Wine 8 has no bcryptprimitives.dll, from which Rust takes its random numbers.
cat >"$folder/random.c" <<'END'
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) {
  return SystemFunction036(data, (ULONG)size);
}
END
x86_64-w64-mingw32-gcc -shared -o "$folder/bcryptprimitives.dll" "$folder/random.c" -ladvapi32
debug=$folder/target/$windows/debug
cp "$folder/bcryptprimitives.dll" "$debug/"
cp "$folder/bcryptprimitives.dll" "$debug/deps/"

export WINEPREFIX=$folder/prefix WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml=;winemenubuilder.exe=d'
# What Wine can't do is left out by the tests that see this.
export KILL_PORT_TEST_UNDER_WINE=1
say "setting Wine up"
wine timeout 300 /usr/lib/wine/wine64 wineboot -i >/dev/null 2>&1 || true
for program in "${programs[@]}"; do
  say "running ${program##*/} under Wine"
  wine timeout 600 /usr/lib/wine/wine64 "$program" >"$folder/out" 2>&1 || {
    tr -d '\r' <"$folder/out" >&2
    say "${program##*/} failed"
    exit 1
  }
  # Those that were left out, and the result.
  tr -d '\r' <"$folder/out" | grep -E '^(SKIPPED|test result)' >&2
done
rm -rf "$folder/target/$windows"

for target in aarch64-apple-darwin x86_64-unknown-freebsd aarch64-unknown-linux-gnu; do
  lint "$target" --workspace --all-targets
done
# The tests of these are those of the ones above.
for target in x86_64-apple-darwin x86_64-unknown-netbsd x86_64-unknown-openbsd s390x-unknown-linux-gnu; do
  lint "$target" --workspace
done
say "all passed"
