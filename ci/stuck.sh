#!/usr/bin/env bash
# A server whose storage hangs: one of its threads waits for the storage and has the lock of the process's memory, so that nobody can
# read its command line. kill_port has to answer all the same, for the server itself and for its healthy sibling, and to end at Ctrl-C.
#
# Needs root, a loop device, fsfreeze and Python. The storage is a small file system in a file, and is thawed however this script ends.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "stuck: $*" >&2; }
skip() {
  say "SKIPPED: $*"
  exit 0
}
fail() {
  say "$*"
  exit 1
}

[[ $(uname) = Linux ]] || skip "only Linux has such a lock in the way"
[[ $(id -u) = 0 ]] || skip "it needs root"
for need in python3 mkfs.ext4 fsfreeze mount; do
  command -v "$need" >/dev/null || skip "there is no $need"
done
cargo build --release --quiet --locked -p kill_port-cli
program=${CARGO_TARGET_DIR:-target}/release/kill_port

folder=$(mktemp -d /tmp/kps.XXXXXX)
storage=$folder/storage
server=
clean() {
  fsfreeze -u "$storage" 2>/dev/null || true
  [[ -z $server ]] || kill -9 -- "-$server" 2>/dev/null || true
  exec 7>&-
  for _ in $(seq 50); do
    umount "$storage" 2>/dev/null && break
    mountpoint -q "$storage" || break
    sleep 0.1
  done
  rm -rf --one-file-system "$folder"
}
trap clean EXIT
trap 'exit 1' INT TERM HUP
mkdir "$storage"
truncate -s 32M "$folder/image"
mkfs.ext4 -q -F "$folder/image"
mount -o loop "$folder/image" "$storage" 2>/dev/null || skip "nothing can be mounted here"

# A parent with two children: a healthy server, and one that gets stuck as soon as it is told to.
cat >"$folder/servers.py" <<'END'
import ctypes, mmap, os, socket, sys, threading, time
def listen():
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("127.0.0.1", 0)); s.listen()
    return s
well, stuck = listen(), listen()
print(well.getsockname()[1], stuck.getsockname()[1], flush=True)
if os.fork() == 0:
    stuck.close(); time.sleep(600); os._exit(0)
well.close()
if os.fork() == 0:
    file = os.open(sys.argv[1] + "/data", os.O_RDWR | os.O_CREAT); os.ftruncate(file, 65536)
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    at = libc.mmap(None, 65536, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, file, 0)
    print("ready", os.getpid(), flush=True)
    sys.stdin.readline()
    threading.Thread(target=lambda: libc.memset(at, 1, 1)).start(); time.sleep(0.5)
    threading.Thread(target=lambda: libc.munmap(at, 65536)).start(); time.sleep(600)
stuck.close(); time.sleep(600)
END
mkfifo "$folder/in"
setsid python3 -u "$folder/servers.py" "$storage" <"$folder/in" >"$folder/out" &
server=$!
exec 7>"$folder/in"
until grep -q ready "$folder/out"; do sleep 0.05; done
read -r well stuck < <(head -1 "$folder/out")
holder=$(sed -n 's/^ready //p' "$folder/out")
fsfreeze -f "$storage"
echo go >&7
for _ in $(seq 100); do
  timeout 0.3 cat "/proc/$holder/cmdline" >/dev/null || break
  sleep 0.1
done
timeout 1 cat "/proc/$holder/cmdline" >/dev/null && skip "this kernel does not keep the lock"

# Each answers, and what it says of the stuck one is its name.
for options in "-n" "--json -n" "--list" "--why"; do
  # shellcheck disable=SC2086
  timeout 20 "$program" $options "$stuck" >"$folder/answer" 2>&1 || {
    cat "$folder/answer"
    fail "kill_port $options: exit $?"
  }
  grep -q "$holder" "$folder/answer" && grep -q python "$folder/answer" || {
    cat "$folder/answer"
    fail "kill_port $options does not name the holder"
  }
done

# A healthy server is freed though its sibling is stuck.
timeout 20 "$program" "$well" >"$folder/answer" 2>&1 || {
  cat "$folder/answer"
  fail "the sibling of a stuck process is not freed"
}

# Ctrl-C ends the wait for one that can't end, whatever it is stuck in.
python3 - "$program" "$stuck" <<'END' || fail "Ctrl-C does not end it"
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_DFL)
run = subprocess.Popen([sys.argv[1], "-t", "1m", sys.argv[2]])
time.sleep(1)
run.send_signal(signal.SIGINT)
try: code = run.wait(5)
except subprocess.TimeoutExpired: run.kill(); sys.exit("it goes on")
sys.exit(code != 130)
END

# It is sent SIGKILL, which its storage keeps from working: that is what is said.
status=0
timeout 30 "$program" --force "$stuck" >"$folder/answer" 2>&1 || status=$?
[[ $status = 0 || $status = 1 ]] || {
  cat "$folder/answer"
  fail "kill_port --force: exit $status"
}
say "passed"
