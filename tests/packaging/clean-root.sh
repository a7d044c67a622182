# Sourced by the tests that need a Debian of their own. It is made in a folder, from the mirror of
# this machine: clean_root FOLDER LOG [PACKAGE ...]
#
# TANIST_TEST_SUITE is the release, by default bookworm. TANIST_TEST_ROOT names a folder that has
# such a system already; it is copied. The answer is 1 where it cannot be made, and the last line of
# the log says why.
# shellcheck shell=bash

# The first mirror of Debian that apt knows of, without which the usual one is taken.
mirror() {
    local files=() file
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources}; do
        [[ ! -e $file ]] || files+=("$file")
    done
    ((${#files[@]})) || return 0
    sed -nE 's/^(URIs:|deb( \[[^]]*\])?) +([a-z]+:[^ ]+\/debian\/?)( .*)?$/\3/p' "${files[@]}" |
        head -n 1
}

clean_root() {
    local root=$1 log=$2 suite=${TANIST_TEST_SUITE:-bookworm} mirror packages
    shift 2
    packages=$(IFS=,; echo "$*")
    mirror=$(mirror)
    if [[ -n ${TANIST_TEST_ROOT:-} ]]; then
        cp -a "$TANIST_TEST_ROOT" "$root" 2>"$log"
    elif command -v mmdebstrap >/dev/null; then
        mmdebstrap --quiet --variant=minbase ${packages:+--include="$packages"} "$suite" "$root" \
            ${mirror:+"$mirror"} 2>"$log"
    elif command -v debootstrap >/dev/null; then
        debootstrap --variant=minbase ${packages:+--include="$packages"} "$suite" "$root" \
            ${mirror:+"$mirror"} >"$log" 2>&1
    else
        echo "neither mmdebstrap nor debootstrap is installed" >"$log"
        return 1
    fi
}
