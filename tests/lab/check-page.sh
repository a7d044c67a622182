#!/usr/bin/env bash
# Opens a report of the lab in a real browser: what it must show is there, in light, in dark and in a
# narrow window; nothing is fetched, nothing is complained of.
#
#   tests/lab/check-page.sh PAGE [SCREENSHOT]     SCREENSHOT: where to put a picture of it (PNG)
#   WINDOW=1280,2000 tests/lab/check-page.sh …    the size of that picture
#
# Without a browser, and without the right to install one, it says so and all is well.
set -euo pipefail

page=${1:?usage: check-page.sh PAGE [SCREENSHOT]}
screenshot=${2:-}
page=$(realpath -e -- "$page")

find_browser() {
    local name
    for name in chromium-headless-shell chromium chromium-browser google-chrome \
        google-chrome-stable; do
        command -v "$name" && return
    done
    return 1
}

install_browser() {
    [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null || return 1
    echo "installing a browser"
    export DEBIAN_FRONTEND=noninteractive
    timeout 120 apt-get update -qq >/dev/null 2>&1 || return 1
    local package
    for package in chromium-headless-shell chromium; do
        timeout 300 apt-get install -y -qq --no-install-recommends "$package" \
            >/dev/null 2>&1 && return
    done
    return 1
}

if ! browser=$(find_browser); then
    install_browser || true
    browser=$(find_browser) || {
        echo "skipped: no browser (Debian: apt-get install chromium-headless-shell)"
        exit 0
    }
fi

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

fail() {
    echo "check-page: $*" >&2
    exit 1
}

# Runs the browser on the page; `timeout` ends it together with all of its children.
browse() {
    local name=$1
    shift
    timeout -k 5 60 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
        --no-first-run --disable-background-networking --disable-component-update \
        --disable-default-apps --disable-extensions --disable-sync --hide-scrollbars \
        --user-data-dir="$place/profile-$name" \
        --host-resolver-rules="MAP * ~NOTFOUND" \
        --log-net-log="$place/$name.net.json" \
        --enable-logging=stderr --log-level=0 \
        "$@" "file://$page" >"$place/$name.out" 2>"$place/$name.err" ||
        fail "the browser failed on $name: $(tail -n 3 "$place/$name.err")"
}

# No message of the page in the console, and no request that could leave the machine.
check_silence() {
    local name=$1 log=$place/$1.net.json
    if grep ':CONSOLE' "$place/$name.err"; then
        fail "the console is not empty ($name)"
    fi
    [[ -s $log ]] || fail "the browser kept no log of its network ($name)"
    if grep -oE '"url":"(https?|wss?|ftp):[^"]*"' "$log" | sort -u | grep .; then
        fail "something was fetched ($name)"
    fi
}

window=${WINDOW:-1280,2000}
dark=--blink-settings=preferredColorScheme=0
browse dom --window-size=1280,2000 --dump-dom
browse light --window-size="$window" --screenshot="$place/light.png"
browse dark --window-size="$window" "$dark" --screenshot="$place/dark.png"
browse narrow --window-size=400,2000 --screenshot="$place/narrow.png"
browse narrow-dark --window-size=400,2000 "$dark" --screenshot="$place/narrow-dark.png"
for name in dom light dark narrow narrow-dark; do
    check_silence "$name"
done

# One line for each tag, so that a line can be looked for.
tr '<' '\n' <"$place/dom.out" >"$place/tags"
has() {
    grep -qE -- "$1" "$place/tags" || fail "$2 is missing"
}
has '^html lang="en"' "the language"
has '^title>.' "the title"
has '^h1>.' "the heading"
has 'id="verdict"[^>]*>.' "the verdict"
has '^svg id="run-wide"' "the picture for wide windows"
has '^svg id="run-narrow"' "the picture for narrow windows"
has '^g class="lane" data-node="[^"]*" role="img" aria-label="[^"]*(master|replica|Sentinel)' \
    "a lane that tells a role"
if grep -q 'class="writes"' "$place/tags" &&
    ! grep -qE 'no gap was seen|writes never stopped' "$place/tags"; then
    has '^g class="gap-label" role="img" aria-label="Gap: [^"]*[0-9]' "the gap with its length"
fi
has '^details id="log"' "the log"
if grep -qiE '^(script|iframe|img|object|embed)[ >]' "$place/tags"; then
    fail "the page holds what it must not"
fi

# A page that ignored its window or the colour scheme would give the same picture again.
for pair in "light dark" "narrow narrow-dark"; do
    read -r one other <<<"$pair"
    [[ -s $place/$one.png && -s $place/$other.png ]] || fail "a picture is missing"
    ! cmp -s "$place/$one.png" "$place/$other.png" || fail "$one and $other look the same"
done

if [[ -n $screenshot ]]; then
    cp "$place/light.png" "$screenshot"
fi
lanes=$(grep -oE '^g class="lane" data-node="[^"]*"' "$place/tags" | sort -u | wc -l)
echo "the page is well: lanes of $lanes nodes, opened in $(basename "$browser")"
