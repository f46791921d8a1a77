#!/bin/sh
# The replica's entrypoint: copies the primary when there is no data yet, then starts PostgreSQL as
# the image does. A copy that was interrupted is made again; one that is there is never touched.
#
# Variables: PGDATA (a folder inside the volume), PRIMARY_HOST, PRIMARY_PORT, STANDBY_NAME,
# REPLICATION_SLOT, SECRETS (folder with replication_password).
set -eu

# The image starts as root; PostgreSQL and its files belong to postgres.
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$(dirname "$PGDATA")"
    chown postgres:postgres "$(dirname "$PGDATA")"
    change_user=$(command -v gosu || command -v su-exec)
    exec "$change_user" postgres /bin/sh "$0" "$@"
fi

# Beside the data, so that it is there after a restart; for libpq it must be private.
passfile=$(dirname "$PGDATA")/replication.pgpass
umask 077
password=$(head -n 1 "$SECRETS/replication_password" | sed 's/[:\\]/\\&/g')
printf '*:*:*:replicator:%s\n' "$password" > "$passfile"

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    echo "replica: waiting for the primary at $PRIMARY_HOST:$PRIMARY_PORT"
    tries=0
    until pg_isready -q -h "$PRIMARY_HOST" -p "$PRIMARY_PORT"; do
        tries=$((tries + 1))
        if [ "$tries" -ge "${PRIMARY_WAIT:-120}" ]; then
            echo "replica: the primary at $PRIMARY_HOST:$PRIMARY_PORT does not answer" >&2
            exit 1
        fi
        sleep 1
    done
    rm -rf "$PGDATA.incoming"
    pg_basebackup -D "$PGDATA.incoming" -Fp -Xs -R -S "$REPLICATION_SLOT" --checkpoint=fast --no-password \
        -d "host=$PRIMARY_HOST port=$PRIMARY_PORT user=replicator application_name=$STANDBY_NAME passfile='$passfile'"
    if [ -d "$PGDATA" ]; then
        rmdir "$PGDATA"
    fi
    mv "$PGDATA.incoming" "$PGDATA"
    echo "replica: copied the primary"
fi
chmod 700 "$PGDATA"

exec docker-entrypoint.sh "$@"
