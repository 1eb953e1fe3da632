#!/bin/sh
# Writes a new folder with the registry, Dagster's instance and the lake, while everything runs:
#   backup.sh /backup/2026-11-22
# Reads DAGSTER_POSTGRES_URL, CX_LAKE and, when the project uses it, CX_REGISTRY_URL. Needs pg_dump of PostgreSQL's own
# version or newer. Passwords belong in ~/.pgpass, not in the URLs: arguments show in the list of processes.
set -eu
umask 077

to=${1:?usage: backup.sh NEW_FOLDER}
: "${DAGSTER_POSTGRES_URL:?}" "${CX_LAKE:?}"
mkdir "$to"

# Databases first. A registry older than the lake asks again for days that are there, and gets the same rows; one that
# is newer would believe in days that the copy of the lake lacks, and nobody would ask for them.
if [ -n "${CX_REGISTRY_URL:-}" ]; then
    pg_dump --format=custom --no-owner --file="$to/registry.dump" --dbname="$CX_REGISTRY_URL"
fi
pg_dump --format=custom --no-owner --file="$to/dagster.dump" --dbname="$DAGSTER_POSTGRES_URL"

# Within the lake the logs first: a data file is there before the log names it and never changes afterwards, so every
# file that the copied logs name is still there to be copied. Not while 'vacuum' runs.
copy() {
    (cd "$CX_LAKE" && find . -type f "$@" ! -name '*.tmp' -print0 | xargs -0 -r cp -p --parents --target-directory="$to/lake")
}
mkdir "$to/lake"
to=$(cd "$to" && pwd)
copy -path '*/_delta_log/*'
copy ! -path '*/_delta_log/*'

# Written last: a folder without it is a backup that did not end.
date -u +%Y-%m-%dT%H:%M:%SZ > "$to/complete"
