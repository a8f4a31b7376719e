#!/usr/bin/env bash
# Hostile input of every kind that is read (fuzz/targets): what the kernel and other processes say, container engines, ports as people write and
# paste them, and what is printed of it. Begins with fuzz/corpus, in which each find stays, and goes on from there by chance (libFuzzer).
#
#   ci/fuzz.sh          four seconds for each, two at a time: half a minute, and about two more to build
#   ci/fuzz.sh RUNS     so many inputs for each
#
# Needs a C++ compiler. Does what `cargo fuzz` does without a sanitizer, for which there is no use in parsers without `unsafe`; so it needs
# neither that program nor a nightly toolchain. An input that fails is left in fuzz/artifacts, and named.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "fuzz: $*" >&2; }
skip() {
  say "SKIPPED: $*"
  exit 0
}

[[ $(uname) = Linux ]] || skip "what is read differs elsewhere, and the targets are those of Linux"
command -v c++ >/dev/null || skip "there is no C++ compiler, of which libFuzzer is made"
limit=(-max_total_time=4)
if [[ $# -gt 0 ]]; then limit=(-runs="$1"); fi

flags=(--cfg fuzzing -Cpasses=sancov-module)
for argument in sanitizer-coverage-{level=4,inline-8bit-counters,pc-table,trace-compares}; do
  flags+=("-Cllvm-args=-$argument")
done
# With a target of its own, what runs while it is built is not watched.
target=$(rustc -vV | sed -n 's/^host: //p')
export CARGO_TARGET_DIR=$PWD/fuzz/target
RUSTFLAGS="${flags[*]}" cargo build --quiet --release --locked --manifest-path fuzz/Cargo.toml --target "$target"

folder=$(mktemp -d /tmp/kpz.XXXXXX)
fuzzers=
clean() {
  [[ -z $fuzzers ]] || { kill -9 -- "-$fuzzers" && wait "$fuzzers"; } 2>/dev/null || :
  rm -rf "$folder"
  find fuzz/artifacts -type d -empty -delete 2>/dev/null || :
}
trap clean EXIT
trap 'exit 1' INT TERM HUP

# One target, from the corpus on. What is found on the way is kept nowhere.
fuzz() {
  local name=$1
  mkdir -p "$folder/$name" "fuzz/artifacts/$name"
  nice "$CARGO_TARGET_DIR/$target/release/$name" "${@:2}" -max_len=2048 -timeout=60 -report_slow_units=60 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="fuzz/artifacts/$name/" "$folder/$name" "fuzz/corpus/$name" >"$folder/$name.log" 2>&1 || {
    grep -a -A3 -E 'panicked|ERROR:|Test unit written' "$folder/$name.log" | tail -30 >&2
    say "$name: an input fails, see fuzz/artifacts/$name"
    return 1
  }
}
export -f fuzz say
export folder target
# No test's time, only theirs: each gets a processor, if there are two. They are a group of their own, which ends with this script.
names=$(printf '%s\n' fuzz/targets/*.rs | sed 's|.*/||; s|\.rs$||')
set -m
xargs -P 2 -I NAME bash -c 'fuzz NAME "$@"' fuzz "${limit[@]}" <<<"$names" &
fuzzers=$!
set +m
wait "$fuzzers"
fuzzers=
[[ -z $(find fuzz/artifacts -type f) ]] || say "fuzz/artifacts still has what earlier runs found"
awk '/stat::number_of_executed_units/ { inputs += $2 } END { printf "fuzz: %d inputs, all passed\n", inputs }' "$folder"/*.log >&2
