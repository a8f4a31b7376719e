#!/usr/bin/env bash
# What fails when the system fails: kill_port in some thirty situations, with one of its system calls at a time that fails (EINTR, EAGAIN,
# EMFILE, ENOMEM, EACCES and what else its manual page promises) or answers in part, at the first, a later or every such call. In each run:
# no signal for anybody who must not get one, no "free" that a bind refutes, no wait without end, no panic, and a failure says why.
# docs/faults.md tells what each failure leads to.
#
#   ci/chaos.sh                               a sample, drawn by a number that is printed: about three minutes
#   ci/chaos.sh all                           everything: hours on a busy machine
#   ci/chaos.sh SITUATION[,SITUATION]         everything in these situations
#   ci/chaos.sh 'SITUATION CALL ERROR WHEN'   one run, such as 'held openat ENOMEM 3'; WHEN is a number, `N+` for all from then on, or `odd`
#   ci/chaos.sh clean                         the situations without any fault
#
# CHAOS_SEED draws another sample, CHAOS_RUNS makes it smaller or larger, CHAOS_LOG=FILE collects what the runs said. Needs root, x86-64 and
# Python 3.9; chaos.py traces the command itself (ptrace). It runs in namespaces of its own, which end with it.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "chaos: $*" >&2; }
skip() {
  say "SKIPPED: $*"
  exit 0
}

[[ $(uname) = Linux ]] || skip "the calls are those of Linux"
[[ $(uname -m) = x86_64 ]] || skip "the calls are numbered as on x86-64"
[[ $(id -u) = 0 ]] || skip "it needs root"
if ! command -v python3 >/dev/null; then
  command -v apt-get >/dev/null || skip "there is no python3"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3; } >/dev/null ||
    skip "could not install python3"
fi
python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' || skip "python3 is older than 3.9"
own=(unshare --net --mount --pid --fork --kill-child --mount-proc)
"${own[@]}" true 2>/dev/null || skip "no namespaces may be made here"
cargo build --release --quiet --locked -p kill_port-cli

mode=${1:-sample}
seed=${CHAOS_SEED:-$((RANDOM * 32768 + RANDOM))}
workers=2
[[ $mode = clean || $mode = *" "* ]] && workers=1
folder=$(mktemp -d /tmp/kpchaos.XXXXXX)
pids=()
clean() {
  # unshare blocks what asks it to end; whoever is inside ends with it.
  ((${#pids[@]} == 0)) || kill -9 "${pids[@]}" 2>/dev/null || true
  rm -rf --one-file-system "$folder"
}
trap clean EXIT
trap 'exit 1' INT TERM HUP
# Other users run it, too.
chmod 755 "$folder"
cp "${CARGO_TARGET_DIR:-target}/release/kill_port" "$folder/kill_port"

[[ $mode = *" "* || $mode = clean ]] || say "seed $seed"
for ((index = 0; index < workers; index++)); do
  "${own[@]}" python3 -u ci/chaos.py \
    "$mode" "$folder/kill_port" "$folder" "$seed" "$index" "$workers" "${CHAOS_LOG:--}" &
  pids+=($!)
done
status=0
for pid in "${pids[@]}"; do
  wait "$pid" || status=1
done
pids=()
((status == 0)) || {
  say "FAILED; one run again: ci/chaos.sh 'SITUATION CALL ERROR WHEN'"
  exit 1
}
say "all passed"
