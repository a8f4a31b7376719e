#!/usr/bin/env bash
# Presses Tab in real shells: bash, zsh and fish offer the ports that are listened on, whatever the listeners call themselves.
#
# It runs in namespaces of its own, and ends with this script.
# Names and tildes in quotes are meant as they stand.
# shellcheck disable=SC2016,SC2088
set -euo pipefail

cd "$(dirname "$0")/.."

say() { echo "completion: $*" >&2; }
skip() {
  say "SKIPPED: $*"
  exit 0
}

if [ "${1:-}" != --inside ]; then
  [ "$(uname)" = Linux ] || skip "it runs on Linux only"
  [ "$(id -u)" = 0 ] || skip "it needs root"
  unshare --net --mount --pid --fork --kill-child --mount-proc true 2>/dev/null ||
    skip "no namespaces may be made here"
  missing=
  for program in zsh fish tmux mandoc; do
    command -v "$program" >/dev/null || missing+=" $program"
  done
  if [ -n "$missing" ]; then
    command -v apt-get >/dev/null || skip "there is no$missing here"
    say "installing$missing"
    # shellcheck disable=SC2086
    {
      timeout 180 apt-get -o Acquire::http::Timeout=10 update -qq &&
        DEBIAN_FRONTEND=noninteractive timeout 300 apt-get -o Acquire::http::Timeout=10 install -y -qq --no-install-recommends $missing
    } >/dev/null </dev/null || skip "could not install$missing"
  fi
  cargo build --quiet -p kill_port-cli
  exec unshare --net --mount --pid --fork --kill-child --mount-proc "$0" --inside
fi

ip link set lo up 2>/dev/null || :
# A socket of tmux has room for a short path alone.
base=$(mktemp -d /tmp/kpc.XXXXXX)
trap 'rm -rf "$base"' EXIT
mkdir "$base/bin" "$base/elsewhere" "$base/home" "$base/servers" "$base/work" "$base/work/folder"
program=${CARGO_TARGET_DIR:-target}/debug/kill_port
install "$program" "$base/bin"
install "$program" "$base/elsewhere"
export HOME="$base/home" PATH="$base/bin:$PATH" TERM=xterm LC_ALL=C.UTF-8
cd "$base/work"

fail() {
  say "FAILED: $*"
  exit 1
}

# has WHAT TEXT PART...: each part is in the text.
has() {
  local what=$1 text=$2 part
  shift 2
  for part; do
    [[ $text == *"$part"* ]] || fail "$what lacks '$part': $text"
  done
}

# The manual page first, which is quick.
kill_port --man >"$base/kill_port.1"
mandoc -Tlint -Wwarning "$base/kill_port.1" || fail "the manual page has warnings"

# Servers whose names would do harm if a shell, or a terminal, took them for more than names.
names=(
  '$(touch pwned)'
  '`touch pwned`'
  "';touch pwned;'"
  $'\ttab\nline\e[7m'
  'a:b\c"d'"'"'e%B%n'
)
port=40001
for name in "${names[@]}"; do
  ln -s "$(command -v zsh)" "$base/servers/$name"
  "$base/servers/$name" -fc "zmodload zsh/net/tcp zsh/zselect; ztcp -l $port; while :; do zselect -t 100000; done" &
  port=$((port + 1))
done
last=$((port - 1))
tries=0
until [ "$(kill_port --completions ports | wc -l)" = "${#names[@]}" ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 300 ] || fail "the servers do not listen"
  sleep 0.1
done
# What people see of them, where the shell shows it.
shown=(
  "\$(touch pwned) (PID "
  "\`touch pwned\` (PID "
  "';touch pwned;' (PID "
  '\ttab\nline\u{1b}[7m (PID '
  "a:b\\c\"d'e%B%n (PID "
)

say "bash"
kill_port --completions bash >"$base/kill_port.bash"
cat >"$base/ask.bash" <<'END'
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_kill_port_or_port "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
echo "${COMPREPLY[@]}"
END
in_bash() { bash "$base/ask.bash" "$base/kill_port.bash" "$@"; }
all=$(seq -s ' ' 40001 "$last")
for words in "kill_port|" "kill_port|4" "kill_port|-n|40" "kill_port|3000|" "kill_port|-p|" "$base/elsewhere/kill_port|" "./gone/kill_port|"; do
  IFS='|' read -ra line <<<"$words|"
  [[ $words == *"|" ]] && line+=("")
  answer=$(in_bash "${line[@]}")
  [ "$answer" = "$all" ] || fail "bash: '$words' offers: $answer"
done
# By its path alone, and where bash keeps to POSIX.
cp "$base/bin/kill_port" "$HOME"
for program in "$base/elsewhere/kill_port" "~/kill_port"; do
  [ "$(PATH=/usr/bin:/bin in_bash "$program" "")" = "$all" ] || fail "bash: $program is not asked"
done
bash --posix -c 'source "$1"' - "$base/kill_port.bash" || fail "bash --posix does not take the script"
[ "$(in_bash kill_port 40002)" = 40002 ] || fail "bash: a port as a whole"
[ "$(in_bash kill_port 5)" = "" ] || fail "bash: a port that nobody listens on"
has "bash: options" "$(in_bash kill_port --)" --dry-run --in
has "bash: signals" "$(in_bash kill_port -s "")" "TERM INT HUP"
[ "$(in_bash kill_port --signal = U)" = "USR1 USR2" ] || fail "bash: --signal=U"
has "bash: --include" "$(in_bash kill_port --include "")" "ancestors editors"
[ "$(in_bash kill_port --color al)" = always ] || fail "bash: --color"

# press SHELL SETUP LINE UNTIL: the screen of an interactive shell after the setup, this line, and Tab as often as it takes until a
# pattern is to be seen.
press() {
  local screen tries=0 socket
  # A server of its own: one that is ending would be taken for one that runs.
  socket=$(mktemp -u "$base/tmux.XXXXXX")
  in_tmux() { tmux -S "$socket" -f /dev/null "$@"; }
  in_tmux new-session -d -x 100 -y 24 -c "$base/work" "$1"
  in_tmux send-keys -l "$2; PS1='READ''Y>'"
  in_tmux send-keys Enter
  until [[ $(in_tmux capture-pane -p) == *READY\>* ]]; do
    tries=$((tries + 1))
    [ "$tries" -lt 1200 ] || fail "$1 does not start: $(in_tmux capture-pane -p)"
    sleep 0.05
  done
  in_tmux send-keys C-l
  in_tmux send-keys -l "$3"
  tries=0
  until
    in_tmux send-keys Tab
    sleep 0.3
    screen=$(in_tmux capture-pane -p)
    # shellcheck disable=SC2053
    [[ $screen == *$4* ]]
  do
    tries=$((tries + 1))
    [ "$tries" -lt 30 ] || fail "$1: Tab after '$3' shows no '$4': $screen"
  done
  in_tmux kill-server
  echo "$screen"
}

answer=$(press "bash --norc --noprofile -i" "source '$base/kill_port.bash'" "kill_port -n 4" "$last")
has "bash's list" "$answer" 40001 40002 "$last"
answer=$(press "bash --norc --noprofile -i" "source '$base/kill_port.bash'" "kill_port --in fo" "folder/")
has "bash's folders" "$answer" "lder/"

say "zsh"
mkdir "$base/functions"
kill_port --completions zsh >"$base/functions/_kill_port"
setup="fpath=('$base/functions' \$fpath); autoload -Uz compinit; compinit -u -D; LISTMAX=1000"
for program in kill_port "$base/elsewhere/kill_port"; do
  # Lists are drawn by other code with this module.
  for module in "" "; zmodload zsh/complist"; do
    answer=$(press "zsh -f -i" "$setup$module" "$program " "$last  *PID ")
    has "zsh's list" "$answer" "${shown[@]}"
  done
done
answer=$(press "zsh -f -i" "$setup" "kill_port -s " "USR2")
has "zsh's signals" "$answer" TERM INT HUP
answer=$(press "zsh -f -i" "$setup" "kill_port --in fo" "folder/")
answer=$(press "zsh -f -i" "$setup" "kill_port --include " "forwarders")
has "zsh's --include" "$answer" ancestors editors
answer=$(press "zsh -f -i" "$setup" "kill_port --dr" "--dry-run")

say "fish"
mkdir -p "$HOME/.config/fish/completions"
kill_port --completions fish >"$HOME/.config/fish/completions/kill_port.fish"
in_fish() { fish -c 'complete -C $argv[1]' -- "$1"; }
for program in kill_port "$base/elsewhere/kill_port" "env kill_port"; do
  answer=$(in_fish "$program 4")
  has "fish's list" "$answer" "${shown[@]}"
  [ "$(cut -f 1 <<<"$answer" | paste -sd ' ')" = "$all" ] || fail "fish: $program offers: $answer"
done
[ "$(in_fish 'kill_port -s U' | cut -f 1 | paste -sd ' ')" = "USR1 USR2" ] || fail "fish: -s"
has "fish's folders" "$(in_fish 'kill_port --in fo')" folder/
has "fish's --include" "$(in_fish 'kill_port --include ')" ancestors
has "fish's options" "$(in_fish 'kill_port --d')" --dry-run

for folder in "$base/work" "$HOME" "$base"; do
  [ ! -e "$folder/pwned" ] || fail "a name was run"
done
say "done"
