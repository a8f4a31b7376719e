#!/usr/bin/env bash
# The tests on other kernels and processors, each in a virtual machine of its own that has nothing but them and busybox.
#
#   ci/kernels.sh             Linux 6.1 on x86-64, and there the integration tests of fixtures and library
#   ci/kernels.sh all         every machine below, and every test program
#   ci/kernels.sh NAME...     only these, with every test program: 6.1 6.12 5.10 4.15 arm64 s390x
#
# 6.1, 6.12 and 5.10 are Debian's, on x86-64, as is 6.1 on arm64 and on s390x, which is big-endian. 4.15 is Ubuntu's: it has neither
# pidfds nor io_uring. Before 6.8 no kernel lists sockets that are bound and don't listen.
#
# Needs root on Debian for x86-64, and its archive. Without KVM the short form takes about six minutes on two cores, a machine about a
# quarter of an hour, and s390x three quarters. A test that can't be run on a kernel says so; how many did is told.
set -euo pipefail
cd "$(dirname "$0")/.."
# An ordinary user of the machine has to get at all that is in it.
umask 022

say() { printf 'kernels: %s (%s)\n' "$*" "$(date +%H:%M:%S)" >&2; }
skip() {
  say "SKIPPED: $*"
  exit 0
}

machines=(6.1 6.12 5.10 4.15 arm64 s390x)
everything=yes
case ${1:-} in
  '') machines=(6.1) everything= ;;
  all) ;;
  *)
    for name; do
      [[ " ${machines[*]} " == *" $name "* ]] || {
        say "no machine is called $name"
        exit 2
      }
    done
    machines=("$@")
    ;;
esac

[[ $(uname -s) == Linux && $(uname -m) == x86_64 ]] || skip "made for Linux on x86-64"
command -v apt-get >/dev/null || skip "there is no apt-get here"
[[ $(id -u) == 0 ]] || skip "it needs root"

folder=$(mktemp -d /tmp/kpk.XXXXXX)
machine=
clean() {
  [[ -z $machine ]] || kill "$machine" 2>/dev/null || true
  rm -rf --one-file-system "$folder"
}
trap clean EXIT
trap 'exit 1' INT TERM HUP

# --- what is needed here ------------------------------------------------------
declare -A needs=(
  [/usr/bin/cpio]=cpio
  [/usr/bin/cc]=gcc
  [/usr/bin/xz]=xz-utils
)
for name in "${machines[@]}"; do
  case $name in
    arm64 | s390x)
      needs[/usr/bin/cargo]=cargo-web
      needs[/usr/bin/rustc]=rustc-web
      needs[/usr/lib/rustlib/src/rust/library/std]=rust-web-src
      ;;
  esac
  case $name in
    arm64)
      needs[/usr/bin/qemu-system-aarch64]=qemu-system-arm
      needs[/usr/bin/aarch64-linux-gnu-gcc]=gcc-aarch64-linux-gnu
      needs[/usr/aarch64-linux-gnu/lib/libc.so]=libc6-dev-arm64-cross
      ;;
    s390x)
      needs[/usr/bin/qemu-system-s390x]=qemu-system-misc
      needs[/usr/bin/s390x-linux-gnu-gcc]=gcc-s390x-linux-gnu
      needs[/usr/s390x-linux-gnu/lib/libc.so]=libc6-dev-s390x-cross
      ;;
    *) needs[/usr/bin/qemu-system-x86_64]=qemu-system-x86 ;;
  esac
done
missing=()
for file in "${!needs[@]}"; do [[ -e $file ]] || missing+=("${needs[$file]}"); done
if ((${#missing[@]})); then
  say "installing ${missing[*]}"
  {
    apt-get update -qq &&
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
  } >/dev/null </dev/null || skip "could not install ${missing[*]}"
fi

# --- kernels ------------------------------------------------------------------
# archive DISTRIBUTION PROCESSOR: the options with which apt sees the releases that are named on standard input, and nothing else.
archive() {
  local at=$folder/archives/$1-$2
  apt=(-o "Dir::Etc::SourceList=$at/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$at/lists"
    -o "Dir::Cache=$at/cache" -o Dir::State::Status=/dev/null -o "APT::Architecture=$2" -o "APT::Architectures=$2"
    -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
  [[ ! -e $at ]] || return 0
  mkdir -p "$at/lists/partial" "$at/cache/archives/partial"
  cat >"$at/sources.list"
  # It calls it a success if nothing could be had.
  apt-get "${apt[@]}" update -qq >"$folder/log" 2>&1 && ! grep -q "^[EW]: Failed to fetch" "$folder/log" || {
    cat "$folder/log" >&2
    # The next machine tries again.
    rm -rf "$at"
    return 1
  }
}

debian() { # PROCESSOR
  local of='Origin: Debian' by='Created-By: Packages' keys=/usr/share/keyrings/debian-archive-keyring.gpg main security
  main=$(apt-get indextargets "$by" "$of" 'Label: Debian' --format '$(REPO_URI)' | sort -u | head -1)
  security=$(apt-get indextargets "$by" "$of" 'Label: Debian-Security' --format '$(REPO_URI)' | sort -u | head -1)
  [[ -n $main && -n $security ]] || return 1
  archive debian "$1" <<LIST
deb [signed-by=$keys] $main bookworm main
$([[ $1 != amd64 ]] || printf 'deb [signed-by=%s] %s\n' $keys "$security bookworm-security main" $keys "$main bullseye main")
LIST
}

ubuntu() {
  # What makes a root file system of any release knows where their archive is. The key is not in Debian; what is taken is compared below.
  apt_get_deb debootstrap || return 1
  local mirror
  # shellcheck disable=SC1091,SC2034
  mirror=$(
    ARCH=amd64 SUITE=bionic
    default_mirror() { echo "$1"; }
    mirror_style() { exit 0; }
    . "$folder/debs/debootstrap/usr/share/debootstrap/scripts/gutsy"
  )
  archive ubuntu amd64 <<<"deb [trusted=yes] $mirror bionic-updates main"
}

# apt_get_deb PACKAGE [SUM]: gets and unpacks it, as $folder/debs/PACKAGE.
apt_get_deb() {
  local to=$folder/debs/$1 file
  mkdir -p "$to"
  (cd "$to" && apt-get "${apt[@]}" download -qq "$1" >"$folder/log" 2>&1) || {
    cat "$folder/log" >&2
    return 1
  }
  file=$(echo "$to"/*.deb)
  [[ -z ${2:-} ]] || echo "$2  $file" | sha256sum --check --quiet || return 1
  dpkg-deb -x "$file" "$to"
  rm "$file"
}

# kernel NAME: gets it, and sets $image, $modules (a folder) and $busybox.
kernel() {
  local processor=amd64 pattern package
  case $1 in
    6.1) pattern='^linux-image-6\.1\.0-[0-9]+-cloud-amd64$' ;;
    6.12) pattern='^linux-image-6\.12\.[0-9]+\+deb12-cloud-amd64$' ;;
    5.10) pattern='^linux-image-5\.10\.0-[0-9]+-cloud-amd64$' ;;
    arm64) processor=arm64 pattern='^linux-image-6\.1\.0-[0-9]+-cloud-arm64$' ;;
    s390x) processor=s390x pattern='^linux-image-6\.1\.0-[0-9]+-s390x$' ;;
  esac
  rm -rf "$folder/debs"
  debian "$processor" && apt_get_deb busybox-static || return 1
  busybox=$folder/debs/busybox-static/bin/busybox
  if [[ $1 == 4.15 ]]; then
    package=linux-modules-4.15.0-213-generic
    ubuntu && apt_get_deb linux-image-unsigned-4.15.0-213-generic 1165ce25b7a822ef514479b70124b9e843477619536eb562fb2d63ec9a421f61 &&
      apt_get_deb $package b1a4a62df56d7bcc170449958fd5e8042f6eed6042ea256016d7688323bace7e || return 1
  else
    package=$(apt-cache "${apt[@]}" pkgnames linux-image- | grep -E "$pattern" | sort -V | tail -1)
    [[ -n $package ]] && apt_get_deb "$package" || return 1
  fi
  modules=$folder/debs/$package
  image=$(echo "$folder"/debs/*/boot/vmlinuz-*)
}

# --- test programs ------------------------------------------------------------
# build TRIPLE: sets $programs, $command (the command itself, which the tests of the command start) and $linker. Without a TRIPLE they
# are this machine's own.
build() {
  local options=(--locked --workspace --tests) cargo=(cargo) upper=${1//-/_} least=5
  [[ -n $everything ]] || options=(--locked --workspace --test main) least=2
  linker=cc
  if [[ -n $1 ]]; then
    linker=${1/-unknown/}-gcc
    # Only a nightly compiler has -Zbuild-std; this makes Debian's one of them.
    cargo=(env -u RUSTFLAGS -u RUSTUP_TOOLCHAIN -u CARGO_BUILD_TARGET -u RUSTC_WRAPPER RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc
      PATH="/usr/bin:$PATH" CARGO_TARGET_DIR="$folder/target" CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0
      "CARGO_TARGET_${upper^^}_LINKER=$linker" /usr/bin/cargo)
    options+=(-Zbuild-std=std,panic_abort --target "$1")
  fi
  "${cargo[@]}" test "${options[@]}" --no-run --message-format json-render-diagnostics >"$folder/built" 2>"$folder/log" || {
    cat "$folder/log" >&2
    return 1
  }
  # The manifest, whether it is a test program, and where it is.
  sed -n 's/.*"manifest_path":"\([^"]*\)".*"test":\(true\|false\)},"features".*"executable":"\([^"]*\)".*/\1 \2 \3/p' \
    "$folder/built" >"$folder/list"
  command=$(sed -n 's/.* false \(.*\/kill_port\)$/\1/p' "$folder/list")
  mapfile -t programs < <(sed -n 's/.* true //p' "$folder/list")
  # The tests of the command take twice as long as all others.
  [[ -n $everything ]] || mapfile -t programs < <(grep -v "/cli/Cargo.toml " "$folder/list" | sed -n 's/.* true //p')
  ((${#programs[@]} >= least)) && [[ -x $command ]] || {
    cat "$folder/list" "$folder/log" >&2
    say "found only ${#programs[@]} test programs"
    return 1
  }
}

# --- the machine --------------------------------------------------------------
# Makes $folder/initrd: what was built, where the compiler has put it and the tests look for it, and what it needs.
guest() {
  local root=$folder/root file name loader at=10 strip=strip
  [[ $linker == cc ]] || strip=${linker/%gcc/strip}
  loader=$(readelf -l "${programs[0]}" | sed -n 's/.*program interpreter: \(.*\)\]$/\1/p')
  rm -rf "$root"
  mkdir -p "$root"/{bin,proc,sys,dev,etc,run,root,lib,modules,usr/{bin,share},var/tmp,"$PWD","$(dirname "$loader")"}
  mkdir -m 1777 "$root/tmp" 2>/dev/null || chmod 1777 "$root/tmp"
  cp "$busybox" "$root/bin/busybox"
  ln -s busybox "$root/bin/sh"
  ln -s /bin/env "$root/usr/bin/env"
  for name in libc.so.6 libm.so.6 libgcc_s.so.1; do
    cp -L "$("$linker" -print-file-name=$name)" "$root/lib/"
  done
  cp -L "$("$linker" -print-file-name="${loader##*/}")" "$root$loader"
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >"$root/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
  printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
  # Some tests read the sources and the documents.
  git ls-files -z | xargs -0 cp --parents -t "$root$PWD"
  for file in "${programs[@]}" "$command"; do
    mkdir -p "$root$(dirname "$file")"
    "$strip" -o "$root$file" "$file"
  done
  echo "$PWD" >"$root/repository"
  # In the order in which they need each other. A kernel that has one built in has no file of it.
  for name in inet_diag tcp_diag udp_diag; do
    file=$(find "$modules/lib" -name "$name.ko*" 2>/dev/null | head -1)
    case $file in
      '') ;;
      *.xz) xz -dc "$file" >"$root/modules/$((at++))-$name.ko" ;;
      *) cp "$file" "$root/modules/$((at++))-$name.ko" ;;
    esac
  done
  # The name of each is its package's and the kind of its tests.
  for file in "${programs[@]}"; do
    name=$(awk -v file="$file" '$3 == file { print $1 }' "$folder/list")
    name=$(sed -n 's/^name = "\(.*\)"/\1/p' "$name" | head -1)
    case $file in
      */deps/main-*) name+=" tests" ;;
      *) name+=" unit-tests" ;;
    esac
    echo "$file $name"
  done >"$root/programs"
  cat >"$root/init" <<'INIT'
#!/bin/sh
export PATH=/bin:/usr/bin HOME=/root
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
dmesg -n 1
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null
ip link set lo up
for module in /modules/*.ko; do [ ! -e "$module" ] || insmod "$module"; done
echo "kernel: $(uname -r), $(uname -m)"
: >/run/out
tail -f /run/out &
while read -r program name; do
  echo "running: $name" >>/run/out
  cd "$(cat /repository)"
  start=$(cut -d. -f1 /proc/uptime)
  "$program" </dev/null >>/run/out 2>/run/errors
  status=$?
  sed 's/^/stderr: /' /run/errors >>/run/out
  echo "ended: $status after $(($(cut -d. -f1 /proc/uptime) - start)) s" >>/run/out
done </programs
echo "all ended" >>/run/out
sleep 2
poweroff -f
INIT
  chmod +x "$root/init"
  (cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$folder/initrd"
  rm -rf "$root"
}

# run NAME: boots it, and tells of each program what came of its tests. Fails if one failed, or if it did not get to the end.
run() {
  # Whether the timer works is not to be told by how busy this machine is.
  local qemu=(qemu-system-x86_64) line="console=ttyS0 no_timer_check"
  case $1 in
    arm64) qemu=(qemu-system-aarch64 -M virt -cpu cortex-a57) line=console=ttyAMA0 ;;
    s390x) qemu=(qemu-system-s390x) line=console=ttysclp0 ;;
  esac
  timeout 3600 "${qemu[@]}" -accel tcg,thread=multi -m 2048 -smp 2 -nographic -no-reboot -nic none -kernel "$image" \
    -initrd "$folder/initrd" -append "$line panic=-1 quiet" </dev/null >"$folder/console" 2>&1 &
  machine=$!
  wait "$machine" || true
  machine=
  tr -d '\r' <"$folder/console" >"$folder/told"
  awk -v name="$1" '
    /^kernel: / || /kernel: [0-9]/ { sub(/.*kernel: /, ""); kernel = $0 }
    /^running: / { program = $2 " " $3; split("", skipped); left_out = 0; result = "" }
    /^test result: / { result = $0; sub(/^test result: [a-zA-Z]+\. /, "", result); sub(/; 0 measured.*/, "", result) }
    /^stderr: SKIPPED/ {
      test = $3; sub(/:$/, "", test)
      if (!(test in skipped)) { skipped[test] = 1; left_out++ }
    }
    /^ended: / {
      printf "  %s (%s) %s: %s; %d of them skipped something; %s s\n", name, kernel, program, result == "" ? "no result" : result, left_out, $4
      if ($2 != 0) bad = 1
    }
    /^all ended/ { whole = 1 }
    END { exit !whole || bad }
  ' "$folder/told" >&2 || {
    cat "$folder/told" >&2
    say "$1: failed"
    return 1
  }
  [[ -n $everything && ${#machines[@]} -gt 1 ]] || sed -n 's/^stderr: SKIPPED/  SKIPPED/p' "$folder/told" >&2
}

failed=() skipped=()
for name in "${machines[@]}"; do
  triple=
  case $name in
    arm64) triple=aarch64-unknown-linux-gnu ;;
    s390x) triple=s390x-unknown-linux-gnu ;;
  esac
  kernel "$name" || {
    say "SKIPPED: could not get the kernel of $name"
    skipped+=("$name")
    continue
  }
  say "building the tests for $name"
  build "$triple"
  guest
  say "running them on $name"
  run "$name" || failed+=("$name")
  # The next processor shares nothing with this one.
  rm -rf "$folder/target" "$folder/debs"
done
[[ -n $everything ]] || say "left out: the tests of the command, the unit tests, and the machines that ci/kernels.sh all has"
((${#failed[@]} == 0)) || {
  say "failed: ${failed[*]}"
  exit 1
}
((${#skipped[@]} < ${#machines[@]})) || skip "no machine was run"
say "all passed${skipped[*]:+, but not run: ${skipped[*]}}"
