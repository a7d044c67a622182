#!/usr/bin/env bash
# Builds the Debian packages tanist and tanist-redis with dpkg-deb alone:
#
#     packaging/debian/build.sh BINARY MANUAL FOLDER [REVISION]
#
# BINARY is the redis-server to pack, MANUAL the folder with the pages of FAMILY=tanist, beside
# which MANUAL-redis has those of FAMILY=redis, FOLDER takes the packages. The maintainer is
# DEBFULLNAME and DEBEMAIL. SOURCE_DATE_EPOCH, by default the time of the last commit, makes the
# build repeatable.
set -euo pipefail
cd "$(dirname "$0")/../.."
umask 022

binary=$1 manual=$2 folder=$3 revision=${4:-1}
for tool in dpkg-deb dpkg gzip md5sum; do
    command -v $tool >/dev/null || { echo "$tool is missing (Debian: apt-get install dpkg)" >&2; exit 1; }
done
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH=$epoch
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)-$revision
architecture=$(dpkg --print-architecture)
maintainer="${DEBFULLNAME:-Tanist maintainers} <${DEBEMAIL:-root@localhost.localdomain}>"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Puts a file into the package: put MODE FILE PLACE
put() { install -D -m "$1" "$2" "$root/$3"; }
link() { mkdir -p "$root/$(dirname "$2")" && ln -s "$1" "$root/$2"; }
zipped() { mkdir -p "$root/$(dirname "$2")" && gzip -9n <"$1" >"$root/$2" && chmod 644 "$root/$2"; }

# The file of the repository with these lines in place of those that are switched off. A directive
# that is not found there stops the build.
adapted() {
    local file=$1 name value
    cp "$file" "$work/conf"
    shift
    while (($#)); do
        name=$1 value=$2
        grep -qE "^#?$name " "$work/conf" || { echo "$file has no $name" >&2; exit 1; }
        sed -i -E "s|^#?$name .*|$name $value|" "$work/conf"
        shift 2
    done
}

# The completions of shells: completions FOLDER FAMILY OTHER ...
#
# zsh has one file for all programs; Bash and fish look for one of each name.
completions() {
    local from=$1/completions family=$2 name
    shift 2
    put 644 "$from/$family-server" "usr/share/bash-completion/completions/$family-server"
    put 644 "$from/_$family-server" "usr/share/zsh/vendor-completions/_$family-server"
    put 644 "$from/$family-server.fish" \
        "usr/share/fish/vendor_completions.d/$family-server.fish"
    for name; do
        link "$family-server" "usr/share/bash-completion/completions/$family-$name"
        link "$family-server.fish" "usr/share/fish/vendor_completions.d/$family-$name.fish"
    done
}

documents() {
    local name=$1
    put 644 LICENSE "usr/share/doc/$name/copyright"
    sed -i '1i Files: *\nLicense: BSD-3-clause, as follows.\n' "$root/usr/share/doc/$name/copyright"
    {
        echo "tanist ($version) unstable; urgency=medium"
        printf '\n  * Package of Tanist %s; the history is in the repository.\n\n' "${version%-*}"
        echo " -- $maintainer  $(LC_ALL=C date -uR -d "@$epoch")"
    } >"$work/changelog"
    zipped "$work/changelog" "usr/share/doc/$name/changelog.Debian.gz"
    put 644 "packaging/debian/$name.lintian-overrides" "usr/share/lintian/overrides/$name"
}

# Writes DEBIAN/control, checksums and the package: finish NAME ARCHITECTURE, control on stdin.
finish() {
    local name=$1 package="$folder/${1}_${version}_$2.deb"
    mkdir -p "$root/DEBIAN" "$folder"
    local control size
    control=$(cat)
    size=$(du -k -s --apparent-size --exclude=DEBIAN "$root" | cut -f1)
    # The description is the longest field and comes last.
    {
        printf '%s' "${control%%Description:*}"
        printf '%s\n' "Version: $version" "Architecture: $2" "Maintainer: $maintainer" \
            "Installed-Size: $size"
        printf 'Description:%s\n' "${control#*Description:}"
    } >"$root/DEBIAN/control"
    if [[ -d $root/etc ]]; then
        (cd "$root" && find etc -type f -printf '/%p\n' | sort) >"$root/DEBIAN/conffiles"
    fi
    (cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
    for script in preinst postinst prerm postrm; do
        [[ -f packaging/debian/$name.$script ]] || continue
        install -m 755 "packaging/debian/$name.$script" "$root/DEBIAN/$script"
    done
    find "$root" -newermt "@$epoch" -exec touch -h -d "@$epoch" {} +
    dpkg-deb --root-owner-group --build "$root" "$package" >/dev/null
    echo "$package"
}

# The libraries that the binary needs, with the versions that it needs them in.
libraries() {
    if command -v dpkg-shlibdeps >/dev/null; then
        mkdir -p "$work/shlibs/debian"
        echo "Source: tanist" >"$work/shlibs/debian/control"
        (cd "$work/shlibs" && dpkg-shlibdeps -O -e"$1" 2>/dev/null | sed 's/^shlibs:Depends=//')
    else
        echo "libc6, libgcc-s1"
    fi
}

tanist() {
    root=$work/tanist
    put 755 "$binary" usr/bin/tanist-server
    strip --strip-unneeded --remove-section=.comment --remove-section=.note \
        "$root/usr/bin/tanist-server"
    local name section page
    for name in sentinel check-rdb check-aof lab; do
        link tanist-server "usr/bin/tanist-$name"
    done
    for section in 1 5 7; do
        for page in "$manual/man$section"/*; do
            # The page of the commands is the same in both families.
            zipped "$page" "usr/share/man/man$section/${page##*/}.gz"
        done
    done
    completions "$manual" tanist sentinel check-rdb check-aof lab
    for name in tanist-server tanist-server@ tanist-sentinel; do
        put 644 "packaging/systemd/$name.service" "usr/lib/systemd/system/$name.service"
    done
    put 644 packaging/systemd/tanist.sysusers usr/lib/sysusers.d/tanist.conf
    put 644 packaging/systemd/tanist.tmpfiles usr/lib/tmpfiles.d/tanist.conf
    put 644 packaging/tanist.logrotate etc/logrotate.d/tanist
    adapted redis.conf dir /var/lib/tanist logfile /var/log/tanist/server.log
    put 644 "$work/conf" etc/tanist/redis.conf
    # A Sentinel writes its file itself, so the package only brings what the first one is made of.
    adapted sentinel.conf dir /var/lib/tanist logfile /var/log/tanist/sentinel.log
    put 644 "$work/conf" usr/share/tanist/sentinel.conf
    documents tanist
    finish tanist "$architecture" <<CONTROL
Package: tanist
Section: database
Priority: optional
Depends: $(libraries "$root/usr/bin/tanist-server"), adduser
Recommends: logrotate
Suggests: redis-tools
Description: server of the Redis protocol with replication and failover
 Tanist speaks the protocol of Redis 7.2, reads its configuration and its
 files, and replicates from and to its servers. It has Sentinel, and a lab for
 experiments with failovers.
 .
 This package stands beside a stock installation: its programs are called
 tanist-server, tanist-sentinel and so on, and no service is started. The
 package tanist-redis puts it in the place of the stock one.
CONTROL
}

tanist_redis() {
    root=$work/tanist-redis
    local name
    # redis-check-rdb and redis-check-aof belong to redis-tools, which goes with both.
    for name in server sentinel lab; do
        link "tanist-$name" "usr/bin/redis-$name"
        zipped "$manual-redis/man1/redis-$name.1" "usr/share/man/man1/redis-$name.1.gz"
    done
    completions "$manual-redis" redis sentinel lab
    link tanist-server.service usr/lib/systemd/system/redis-server.service
    link tanist-sentinel.service usr/lib/systemd/system/redis-sentinel.service
    documents tanist-redis
    finish tanist-redis all <<CONTROL
Package: tanist-redis
Source: tanist
Section: database
Priority: optional
Depends: tanist (>= $version)
Recommends: redis-tools
Provides: redis-server, redis-sentinel
Conflicts: redis-server, redis-sentinel
Replaces: redis-server, redis-sentinel
Description: Tanist in the place of redis-server
 The names redis-server, redis-sentinel and redis-lab for the programs of the
 package tanist, and the names redis-server and redis-sentinel for its
 services. The server is started, and again at every boot.
 .
 It takes the place of the packages redis-server and redis-sentinel. Their
 configuration and data stay where they are and are not read: Tanist has its
 own in /etc/tanist and /var/lib/tanist.
CONTROL
}

tanist
tanist_redis
