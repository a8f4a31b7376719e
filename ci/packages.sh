#!/usr/bin/env bash
# Checks what would be published: both packages hold what they should and nothing that only this repository has, build from what they
# hold, and pass the tests that they hold. The command's package is built against the library's package, not against a published one.
# Then the library's API is compared with that of its newest published version.
#
# Needs the network for what is compared. Takes about four minutes on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'packages: %s (%s)\n' "$*" "$(date +%H:%M:%S)" >&2; }
fail() {
  say "$*"
  exit 1
}

# Cargo takes a package that lies below a workspace for a part of it.
folder=$(mktemp -d /tmp/kpk.XXXXXX)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM HUP
export CARGO_TARGET_DIR=$folder/target CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0 CARGO_TERM_COLOR=never

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)

say "packaging and building"
# Changes that are not committed yet are checked as well.
cargo package --workspace --exclude kill_port-fixture --locked --quiet --allow-dirty

for package in kill_port kill_port-cli; do
  tar -xzf "$folder/target/package/$package-$version.crate" -C "$folder"
  unpacked=$folder/$package-$version
  for file in LICENSE-MIT LICENSE-APACHE README.md; do
    # Its text, not a link to a file that is elsewhere.
    cmp "$file" "$unpacked/$file" && [[ ! -L $unpacked/$file ]] || fail "$package has not the same $file"
  done
  [[ -e $unpacked/src && -e $unpacked/Cargo.lock ]] || fail "$package is not complete"
  ! grep -n 'path = "\.\|kill_port-fixture' "$unpacked/Cargo.toml" || fail "$package depends on what is in no package"
done

say "running the tests in kill_port"
cargo test --quiet --locked --manifest-path "$folder/kill_port-$version/Cargo.toml"
cargo test --quiet --locked --all-features --manifest-path "$folder/kill_port-$version/Cargo.toml"
say "running the tests in kill_port-cli"
# Not locked: the file names a published library.
cargo test --quiet --manifest-path "$folder/kill_port-cli-$version/Cargo.toml" \
  --config "patch.crates-io.kill_port.path='$folder/kill_port-$version'"

oldest=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
# Clippy knows the age of functions, and not that of the language.
if rustc "+$oldest" --version >/dev/null 2>&1; then
  say "checking with Rust $oldest"
  cargo "+$oldest" check --quiet --workspace --locked
else
  say "SKIPPED: Rust $oldest is not installed (rustup toolchain install $oldest --profile minimal)"
fi

# Compares with the newest published version, whose API it builds.
if ! cargo semver-checks --version >/dev/null 2>&1; then
  say "SKIPPED: the API is not compared, since cargo-semver-checks is not installed (cargo install --locked cargo-semver-checks, a quarter of an hour)"
  exit 0
fi
say "comparing the API"
status=0
cargo semver-checks --package kill_port >"$folder/log" 2>&1 || status=$?
cat "$folder/log" >&2
case $status in
  0) say "all passed" ;;
  100) fail "the API breaks what the version promises" ;;
  *) say "SKIPPED: there was nothing to compare the API with; all else passed" ;;
esac
