#!/usr/bin/env bash
# Runs client libraries and applications of Python, Node, Ruby, Go and Java against our server, alone
# and in groups whose master is taken away, in at most some minutes, and says what it left out where
# their tools or packages cannot be had. Arguments are words of the names of suites to run, and
# options; tests/clients/run.py tells more.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v python3 >/dev/null; then
    echo "skipped: real clients: there is no python3 on this machine"
    exit 0
fi
exec python3 tests/clients/run.py "$@"
