#!/usr/bin/env bash
# How long nobody can write while a master hands over: fifty clients write as fast as they are
# answered, and go to the new master when the old one refuses; thirty failovers, one after another.
# A pause is the longest time around one of them without any answered write.
#
#   scripts/measure-failover.sh
#
# This is an end-to-end test, which asserts that no acknowledged write is lost; here its figures
# are shown.
set -euo pipefail
cd "$(dirname "$0")/.."

output=$(cargo test --release --test e2e -- --nocapture --exact \
    failover::fifty_clients_write_on_through_thirty_failovers_and_lose_nothing 2>&1) ||
    { echo "$output"; exit 1; }
grep '^pause of' <<<"$output"
