#!/bin/sh
# Everything that is in the image, below the folder FOLDER: the static program, the roots of TLS, the user, the bill of
# materials and the licences. Needs cargo, a C compiler, python3 and Debian's ca-certificates.
#
#     deploy/image/rootfs.sh FOLDER
#
# SOURCE_DATE_EPOCH is the date in the bill of materials; the same source, compiler and roots give the same bytes. With
# CARGO_SUBCOMMAND=auditable (of cargo-auditable) the program names the crates that it is made of, for scanners.
set -eu

folder=${1:?"usage: deploy/image/rootfs.sh FOLDER"}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
roots=/usr/share/ca-certificates/mozilla
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
cd "$root"

# The target is named, though it is the host: else build scripts would be linked statically too, and proc-macros can't be.
target=$(rustc -vV | sed -n 's/^host: //p')
# Packed relocations save 0.7 MB; a static C library applies them itself, glibc from 2.36 on.
RUSTFLAGS="-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs" \
    cargo ${CARGO_SUBCOMMAND:-} build --profile image --locked --package zonewatch --target "$target"

rm -rf "$folder"
install -D -m 0755 "${CARGO_TARGET_DIR:-target}/$target/image/zonewatch" "$folder/usr/bin/zonewatch"

# Mozilla's roots as Debian packages them, and not the machine's whole store, to which its owner may have added some.
install -d -m 0755 "$folder/etc/ssl/certs"
LC_ALL=C
export LC_ALL
cat "$roots"/*.crt > "$folder/etc/ssl/certs/ca-certificates.crt"

# A name for the user, for what asks, and where a static C library looks for hosts.
echo 'zonewatch:x:65532:65532:Zonewatch:/nonexistent:/sbin/nologin' > "$folder/etc/passwd"
echo 'zonewatch:x:65532:' > "$folder/etc/group"
echo 'hosts: files dns' > "$folder/etc/nsswitch.conf"

install -d -m 0755 "$folder/usr/share/zonewatch"
install -m 0644 LICENSE "$folder/usr/share/zonewatch/LICENSE"
python3 "$here/materials.py" "$target" "$folder/usr/share/zonewatch"
find "$folder" -type f ! -perm -u=x -exec chmod 0644 {} +
