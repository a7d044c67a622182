#!/usr/bin/env bash
# Runs the unit tests of src/table, src/data and src/keyspace, where the unsafe code is, under tools that see
# misuse of memory: valgrind, and with MIRI=1 entries, elements and members under Miri (slow; needs
# a nightly toolchain).
# jemalloc would hide the heap from both, so the tests are built with the system's allocator.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/heap-check
export RUSTFLAGS="--cfg system_allocator"

if [[ ${MIRI:-0} == 1 ]]; then
    # Miri would take the variable for the path of its own program.
    unset MIRI
    MIRIFLAGS="-Zmiri-strict-provenance -Zmiri-disable-isolation" \
        cargo +nightly miri test --lib -- keyspace::entry data::element_table:: data::ranked::
    exit
fi

runner="valgrind -q --leak-check=full --show-leak-kinds=definite"
runner+=" --errors-for-leak-kinds=definite --error-exitcode=9"
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=$runner
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$runner
cargo test --lib -- table:: data:: keyspace::
