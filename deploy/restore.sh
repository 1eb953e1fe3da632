#!/bin/sh
# Brings back what backup.sh wrote, into empty databases and an empty or absent lake, with everything stopped:
#   restore.sh /backup/2026-11-22
# Reads the same variables as backup.sh.
set -eu
umask 007

from=${1:?usage: restore.sh FOLDER}
: "${DAGSTER_POSTGRES_URL:?}" "${CX_LAKE:?}"
if [ ! -f "$from/complete" ]; then
    echo "$from has no file 'complete': that backup did not end" >&2
    exit 1
fi
if [ -n "$(ls -A "$CX_LAKE" 2>/dev/null)" ]; then
    echo "$CX_LAKE is not empty: move it away first" >&2
    exit 1
fi

load() {
    pg_restore --exit-on-error --single-transaction --no-owner --dbname="$2" "$1"
}
if [ -f "$from/registry.dump" ]; then
    load "$from/registry.dump" "${CX_REGISTRY_URL:?the backup holds a registry}"
fi
load "$from/dagster.dump" "$DAGSTER_POSTGRES_URL"
mkdir -p "$CX_LAKE"
cp -Rp "$from/lake/." "$CX_LAKE/"
