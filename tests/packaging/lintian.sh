#!/usr/bin/env bash
# What lintian says of the packages in a folder: tests/packaging/lintian.sh FOLDER
#
# Who maintains a package is for its builder to say (DEBFULLNAME, DEBEMAIL), so that is not looked
# at.
set -euo pipefail

command -v lintian >/dev/null || { echo "skipped: no lintian"; exit 0; }
maintainer=bogus-mail-host,bogus-mail-host-in-debian-changelog,root-in-contact
as_root=()
[[ $(id -u) != 0 ]] || as_root=(--allow-root)
lintian "${as_root[@]}" --fail-on error,warning --suppress-tags $maintainer "$1"/*.deb
echo "lintian is content"
