#!/usr/bin/env bash
# Runs what the documents' console blocks and the picture of a terminal show, and compares the answers: docs/screens says how.
#
# Needs root, for namespaces, and node.
set -euo pipefail
cd "$(dirname "$0")/.."

code=0
docs/screens --check || code=$?
if [[ $code = 2 ]]; then
  echo "screens: SKIPPED: see above" >&2
  exit 0
fi
exit "$code"
