#!/bin/sh
# Frees the port of a real PostgreSQL that a client stays connected to: it has to shut down in good order, and to start again without a
# recovery.
#
# It runs in namespaces of its own with its files in a temporary folder, as the engines of containers.sh do, and ends with this script.
set -eu

cd "$(dirname "$0")/.."

say() { echo "postgres: $*" >&2; }
skip() {
  say "SKIPPED: $*"
  exit 0
}

# The folder of the server's programs, in which the client's have to be as well.
find_server() {
  for server in /usr/lib/postgresql/*/bin/postgres /usr/pgsql-*/bin/postgres "$(command -v postgres || :)"; do
    folder_of=${server%/*}
    if [ -x "$server" ] && [ -x "$folder_of/psql" ] && [ -x "$folder_of/initdb" ]; then
      bin=$folder_of
      return
    fi
  done
}

if [ "${1:-}" != --inside ]; then
  [ "$(uname)" = Linux ] || skip "it runs on Linux only"
  [ "$(id -u)" = 0 ] || skip "it needs root"
  bin=
  find_server
  if [ -z "$bin" ]; then
    command -v apt-get >/dev/null || skip "there is no PostgreSQL here"
    say "installing postgresql"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql; } >/dev/null ||
      skip "could not install postgresql"
  fi
  cargo build --quiet -p kill_port-cli
  folder=$(mktemp -d /tmp/kpp.XXXXXX)
  trap 'rm -rf "$folder"' EXIT
  trap 'exit 1' INT TERM HUP
  unshare --net --mount --pid --fork --kill-child --mount-proc true 2>/dev/null ||
    skip "no namespaces may be made here"
  status=0
  unshare --net --mount --pid --fork --kill-child --mount-proc "$0" --inside "$folder" || status=$?
  exit "$status"
fi

folder=$2
find_server
# The server refuses to run as root.
user=postgres
id "$user" >/dev/null 2>&1 || user=nobody
chown "$user" "$folder"
chmod 755 "$folder"
ip link set lo up 2>/dev/null || :
port=54321

as_user() { (cd "$folder" && exec setpriv --reuid "$user" --clear-groups "$@"); }

fail() {
  say "FAILED: $*"
  [ ! -e "$folder/log" ] || tail -n 30 "$folder/log" >&2
  exit 1
}

# wait_for WHAT COMMAND...: until it succeeds.
wait_for() {
  what=$1
  shift
  tries=0
  until "$@" >"$folder/wait" 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || fail "$what never came: $(cat "$folder/wait")"
    sleep 0.1
  done
}

query() { as_user "$bin/psql" -h "$folder" -p "$port" -d postgres -Atc "$1"; }
is_asleep() { [ "$(query "select count(*) from pg_stat_activity where query like '%pg_sleep(600)' and pid <> pg_backend_pid()")" = 1 ]; }

# start: the server, and a client that stays.
start() {
  : >"$folder/log"
  as_user "$bin/postgres" -D "$folder/data" -p "$port" -k "$folder" -h 127.0.0.1 >"$folder/log" 2>&1 &
  wait_for "the server" query "select 1"
}
connect() {
  query "select pg_sleep(600)" >/dev/null 2>&1 &
  wait_for "the client" is_asleep
}

# has TEXT FILE
has() { grep -q -- "$1" "$2" || fail "no '$1' in $(cat "$2")"; }
has_not() { ! grep -q -- "$1" "$2" || fail "'$1' in $(cat "$2")"; }

as_user "$bin/initdb" -D "$folder/data" --auth trust >/dev/null

start
connect
target/debug/kill_port --json -n "$port" >"$folder/plan"
has '"signals":\["INT"\],"outcome":"would_signal"' "$folder/plan"
target/debug/kill_port --json "$port" >"$folder/answer" || fail "$(cat "$folder/answer")"
has '"signals":\["INT"\],"outcome":"exited"' "$folder/answer"
# The processes that serve clients hold no listening socket: nobody but the postmaster is told.
[ "$(grep -o '"signals":' "$folder/answer" | wc -l)" = 1 ] || fail "$(cat "$folder/answer")"
has "received fast shutdown request" "$folder/log"
has "database system is shut down" "$folder/log"
start
has_not "not properly shut down" "$folder/log"

# What it is spared: SIGTERM waits for the client, and SIGKILL costs a recovery.
connect
target/debug/kill_port --json --signal TERM --grace 1s "$port" >"$folder/answer" || fail "$(cat "$folder/answer")"
has '"signals":\["TERM","KILL"\],"outcome":"exited"' "$folder/answer"
has "received smart shutdown request" "$folder/log"
rm -f "$folder/data/postmaster.pid"
start
has "not properly shut down" "$folder/log"
say "done"
