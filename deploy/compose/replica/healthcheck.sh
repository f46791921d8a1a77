#!/bin/sh
# Healthy: answers, is a standby that streams, and is not further behind than MAX_LAG_BYTES of WAL
# that it has and has not replayed, or MAX_LAG_SECONDS while there is some.
set -eu

answer=$(PGCONNECT_TIMEOUT=3 psql -X -Atq -U "$POSTGRES_USER" -d "$POSTGRES_DB" \
    -v bytes="${MAX_LAG_BYTES:-10485760}" -v seconds="${MAX_LAG_SECONDS:-60}" <<'SQL'
SELECT pg_is_in_recovery()
   AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')
   AND waits.bytes < :bytes
   AND (waits.bytes = 0
        OR clock_timestamp() - pg_last_xact_replay_timestamp() < make_interval(secs => :seconds))
  FROM (SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) AS bytes) waits
SQL
)
[ "$answer" = t ]
