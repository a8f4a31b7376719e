#!/bin/sh
# Frees the port of a real uWSGI with a master, which takes SIGTERM for "start again".
#
# It runs in namespaces of its own, and ends with this script.
set -eu

cd "$(dirname "$0")/.."

say() { echo "uwsgi: $*" >&2; }
skip() {
  say "SKIPPED: $*"
  exit 0
}

if [ "${1:-}" != --inside ]; then
  [ "$(uname)" = Linux ] || skip "it runs on Linux only"
  [ "$(id -u)" = 0 ] || skip "it needs root"
  if ! command -v uwsgi-core >/dev/null; then
    command -v apt-get >/dev/null || skip "there is no uwsgi-core here"
    say "installing uwsgi-core"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends uwsgi-core; } >/dev/null ||
      skip "could not install uwsgi-core"
  fi
  cargo build --quiet -p kill_port-cli
  unshare --net --mount --pid --fork --kill-child --mount-proc true 2>/dev/null ||
    skip "no namespaces may be made here"
  exec unshare --net --mount --pid --fork --kill-child --mount-proc "$0" --inside
fi

ip link set lo up 2>/dev/null || :
port=54321
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

fail() {
  say "FAILED: $*"
  cat "$answer" >&2
  exit 1
}

# start OPTIONS...: a master with two workers.
start() {
  uwsgi-core --master --processes 2 --http-socket "127.0.0.1:$port" "$@" >/dev/null 2>&1 &
  tries=0
  # It is ready when both workers hold the socket as well.
  until [ "$(target/debug/kill_port --json -n "$port" | grep -o '"outcome":"would_signal"' | wc -l)" = 3 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || fail "uWSGI does not start"
    sleep 0.1
  done
}

for option in "" --die-on-term; do
  # shellcheck disable=SC2086
  start $option
  target/debug/kill_port --json "$port" >"$answer" || fail "it is not freed"
  grep -q '"signals":\["INT"\],"outcome":"exited"' "$answer" || fail "the master did not end at SIGINT"
  ! grep -q '"KILL"' "$answer" || fail "SIGKILL was needed"
done
say "done"
