#!/usr/bin/env bash
# Builds, installs and uses all that a release holds: packaging/test says what that is, what it needs, and how long it takes.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
  printf 'packaging: SKIPPED: %s\n' "$*" >&2
  exit 0
}

[[ $(uname -s) == Linux && $(uname -m) == x86_64 ]] || skip "made for Linux on x86-64"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || skip "Python 3.11 or later is missing"
exec packaging/test </dev/null
