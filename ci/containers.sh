#!/bin/sh
# Runs the tests that need a real container engine: Docker with and without its userland proxy, and Podman.
#
# The engines run in namespaces of their own (network, processes, mounts) with all their files under one temporary
# folder. So they meet neither an engine that runs here already nor anybody's ports, and when this script ends, however
# it ends, the kernel ends them. Where no engine can be started, it says so and succeeds.
set -eu

cd "$(dirname "$0")/.."

say() { echo "containers: $*" >&2; }
skip() {
  say "SKIPPED: $*"
  exit 0
}

if [ "${1:-}" != --inside ]; then
  [ "$(uname)" = Linux ] || skip "the engines are started on Linux only"
  [ "$(id -u)" = 0 ] || skip "an engine needs root here"

  missing=
  for need in dockerd:docker.io docker:docker.io busybox:busybox-static iptables:iptables podman:podman ip:iproute2; do
    command -v "${need%%:*}" >/dev/null || missing="$missing ${need##*:}"
  done
  if [ -n "$missing" ]; then
    command -v apt-get >/dev/null || skip "missing:$missing"
    say "installing$missing"
    # shellcheck disable=SC2086
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >/dev/null ||
      skip "could not install$missing"
  fi

  cargo test --quiet -p kill_port-cli --test main --no-run

  folder=$(mktemp -d /tmp/kpc.XXXXXX)
  trap 'rm -rf "$folder"' EXIT
  trap 'exit 1' INT TERM HUP
  # Without namespaces nothing here would be safe to start.
  unshare --net --mount --pid --fork --kill-child --mount-proc true 2>/dev/null ||
    skip "no namespaces may be made here"
  status=0
  unshare --net --mount --pid --fork --kill-child --mount-proc "$0" --inside "$folder" || status=$?
  exit "$status"
fi

folder=$2
# An unprivileged user has to get as far as the engine's socket.
chmod 755 "$folder"
ip link set lo up

# The image: one static program, and a server that a SIGTERM ends.
mkdir -p "$folder/image/bin"
busybox=$(command -v busybox)
cp "$busybox" "$folder/image/bin/busybox"
for name in sh httpd sleep nc; do ln -s busybox "$folder/image/bin/$name"; done
cat >"$folder/image/serve" <<'END'
#!/bin/sh
# serve PORT...: listens on TCP ports until SIGTERM.
trap 'exit 0' TERM
for port; do httpd -f -p "$port" & done
while :; do
  sleep 3600 &
  wait $!
done
END
chmod 755 "$folder/image/serve"
tar -C "$folder/image" -cf "$folder/image.tar" .

# wait_for SOCKET: until an engine answers there.
wait_for() {
  tries=0
  until DOCKER_HOST="unix://$1" docker version >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 150 ] || return 1
    sleep 0.2
  done
}

# run_tests NAME SOCKET OPTIONS: the tests against one engine; OPTIONS go to every `docker run`.
run_tests() {
  say "testing with $1"
  DOCKER_HOST="unix://$2" docker import "$folder/image.tar" kill_port_test >/dev/null
  # shellcheck disable=SC2097,SC2098
  DOCKER_HOST='' KILL_PORT_TEST_ENGINE="unix://$2" KILL_PORT_TEST_ENGINE_OPTIONS="$3" CARGO_NET_OFFLINE=true \
    cargo test --quiet -p kill_port-cli --test main containers:: -- --nocapture
  DOCKER_HOST="unix://$2" docker ps --quiet | while read -r container; do
    DOCKER_HOST="unix://$2" docker rm --force "$container" >/dev/null
  done
}

# with_docker NAME OPTIONS...: a dockerd with these options.
with_docker() {
  name=$1
  shift
  place="$folder/$name"
  mkdir "$place"
  dockerd --data-root "$place/data" --exec-root "$place/exec" --pidfile "$place/pid" \
    --host "unix://$place/docker.sock" "$@" >"$place/log" 2>&1 &
  daemon=$!
  if wait_for "$place/docker.sock"; then
    run_tests "$name" "$place/docker.sock" ""
  else
    say "SKIPPED: $name could not be started:"
    tail -n 5 "$place/log" >&2
  fi
  kill "$daemon" 2>/dev/null || :
  wait "$daemon" 2>/dev/null || :
}

with_docker docker
with_docker docker-without-proxy --userland-proxy=false

place="$folder/podman"
mkdir "$place"
# A container may not have higher limits than we have; Podman would ask for more.
files=$(ulimit -Hn)
[ "$files" != unlimited ] || files=1048576
podman --root "$place/root" --runroot "$place/run" --tmpdir "$place/tmp" system service --time=0 "unix://$place/podman.sock" \
  >"$place/log" 2>&1 &
daemon=$!
if wait_for "$place/podman.sock"; then
  run_tests podman "$place/podman.sock" "--ulimit nofile=$files:$files --ulimit nproc=1000:1000"
else
  say "SKIPPED: podman could not be started:"
  tail -n 5 "$place/log" >&2
fi
kill "$daemon" 2>/dev/null || :
say "done"
