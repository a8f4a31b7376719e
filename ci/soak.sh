#!/usr/bin/env bash
# `ci/soak.sh [MINUTES [SEED [SCENE]]]`: hours of trouble. Random servers of every kind that the fixtures have, one to three callers at
# once with random options and rights, and beside them processes and connections that come and go so fast that the PIDs wrap every few
# seconds. After each call:
# - exit code 0 means that a bind as servers make it succeeds at once;
# - nobody has ended, or got a signal, but those whom a call might end: bystanders, clients, the callers' children, the other servers;
# - the call has ended in its time, and has left no process and no file;
# - the exit code and the JSON agree with who has ended, who lives, and what signals they say they got.
#
# Needs root: it runs in namespaces of its own, with the smallest range of PIDs that they have room in. Without MINUTES it takes one and
# a half, and the time to build. What chance chose comes again with the same SEED, but for what the kernel's scheduler chose; with SCENE,
# that scene is played again and again.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "soak: $*" >&2; }
skip() {
  say "SKIPPED: $*"
  exit 0
}

spaces=(unshare --net --mount --pid --fork --kill-child --mount-proc)
if [[ ${1:-} != --inside ]]; then
  [[ $(uname) = Linux ]] || skip "it runs on Linux only"
  [[ $(id -u) = 0 ]] || skip "it needs root"
  "${spaces[@]}" true 2>/dev/null || skip "no namespaces may be made here"
  cargo build --quiet --locked -p kill_port-cli --bin kill_port --example soak
  cargo build --quiet --locked -p kill_port-cli --bin kill_port --release
  seconds=$(awk "BEGIN { print int(${1:-1.5} * 60) }")
  folder=$(mktemp -d /tmp/kpsoak.XXXXXX)
  inside=
  clean() {
    # Whoever is inside ends with it.
    [[ -z $inside ]] || kill -9 "$inside" 2>/dev/null || :
    rm -rf "$folder"
  }
  trap clean EXIT
  trap 'exit 1' INT TERM HUP
  target=${CARGO_TARGET_DIR:-target}
  cp "$target/debug/examples/soak" "$folder/soak"
  cp "$target/debug/kill_port" "$folder/kill_port"
  cp "$target/release/kill_port" "$folder/kill_port-release"
  chmod 755 "$folder"
  "${spaces[@]}" "$PWD/ci/soak.sh" --inside "$folder" "$seconds" "${2:-$RANDOM$RANDOM}" "${3:--}" &
  inside=$!
  status=0
  wait "$inside" || status=$?
  inside=
  exit "$status"
fi

folder=$2 seconds=$3 seed=$4 scene=$5
ulimit -c 0
# What is left behind in a place for temporary files is seen; the programs are where any user may start them.
mkdir -p /run /var/tmp /dev/shm
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/soak
cp "$folder"/* /run/soak/
for place in /tmp /var/tmp /dev/shm; do mount -t tmpfs -o mode=1777 tmpfs "$place"; done
cd /
sockets() { awk '/^(TCP|UDP):/ { print $1, $3 }' /proc/net/sockstat; }
# Since Linux 6.14 each PID namespace has its own; before that it is the machine's, and is left alone.
pids=/proc/sys/kernel/pid_max
if [[ $(uname -r | awk -F. '{ print ($1 * 1000 + $2 >= 6014) }') = 1 ]]; then
  echo 1000 >"$pids"
else
  say "the PIDs of this kernel wrap less often: they have one range for all namespaces"
fi
say "seed $seed, ${seconds} s, PIDs up to $(cat "$pids")"
files() { find /run /tmp /var/tmp /dev/shm; }
before=$(files) opened=$(sockets)
status=0
/run/soak/soak "$seconds" "$seed" "$scene" /run/soak/kill_port /run/soak/kill_port-release || status=$?
[[ $(files) = "$before" ]] || {
  say "FAULT: files are left behind"
  diff <(echo "$before") <(files) >&2 || :
  status=1
}
for _ in $(seq 100); do
  [[ $(sockets) != "$opened" ]] || break
  sleep 0.1
done
[[ $(sockets) = "$opened" ]] || {
  say "FAULT: sockets are left behind: $(sockets)"
  status=1
}
[[ $status = 0 ]] || exit "$status"
say "all passed"
