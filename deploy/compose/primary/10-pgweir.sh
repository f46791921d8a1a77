#!/bin/sh
# Run once by the image's entrypoint, when the data directory is new: roles, the replica's slot, what
# monitoring reads, who may replicate from where, a place for archived WAL.
#
# Variables: POSTGRES_USER, POSTGRES_DB, PGDATA of the image; APP_USER, REPLICATION_NETWORK,
# REPLICATION_SLOT, SECRETS (folder with *_password), ARCHIVE (folder).
set -eu

secret() { head -n 1 "$SECRETS/$1_password"; }

# psql reads passwords from its environment: they are on no command line.
APP_PASSWORD=$(secret app) REPLICATION_PASSWORD=$(secret replication) PROBER_PASSWORD=$(secret prober) \
    psql -X -q -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\getenv app_user APP_USER
\getenv database POSTGRES_DB
\getenv slot REPLICATION_SLOT
\getenv app_password APP_PASSWORD
\getenv replication_password REPLICATION_PASSWORD
\getenv prober_password PROBER_PASSWORD

SET log_min_error_statement = panic; -- a statement that fails must not take a password into the log
CREATE ROLE :"app_user" LOGIN PASSWORD :'app_password';
CREATE ROLE replicator LOGIN REPLICATION PASSWORD :'replication_password';
CREATE ROLE pgweir_prober LOGIN PASSWORD :'prober_password';
RESET log_min_error_statement;
GRANT pg_monitor TO pgweir_prober;
ALTER DATABASE :"database" OWNER TO :"app_user";
ALTER SCHEMA public OWNER TO :"app_user";
GRANT CONNECT ON DATABASE :"database" TO replicator, pgweir_prober;
SELECT pg_create_physical_replication_slot(:'slot');

CREATE FUNCTION public.pg_replication_status() RETURNS TABLE (
    application_name text, client_addr inet, state text, sync_state text,
    pending_bytes numeric, write_lag_bytes numeric, flush_lag_bytes numeric, replay_lag_bytes numeric,
    write_lag interval, flush_lag interval, replay_lag interval)
LANGUAGE sql STABLE SET search_path = pg_catalog AS $body$
  SELECT r.application_name, r.client_addr, r.state, r.sync_state,
         pg_wal_lsn_diff(here.lsn, r.sent_lsn), pg_wal_lsn_diff(here.lsn, r.write_lsn),
         pg_wal_lsn_diff(here.lsn, r.flush_lsn), pg_wal_lsn_diff(here.lsn, r.replay_lsn),
         r.write_lag, r.flush_lag, r.replay_lag
    FROM pg_stat_replication r,
         (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
                      ELSE pg_current_wal_lsn() END AS lsn) here
$body$;
REVOKE ALL ON FUNCTION public.pg_replication_status() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.pg_replication_status() TO pg_monitor;
SQL

# Replication: that role alone, from the containers' network alone; the image lets everybody else in
# with a password only.
{
    echo "host replication replicator $REPLICATION_NETWORK scram-sha-256"
    echo "host replication all all reject"
} >> "$PGDATA/pg_hba.conf"

mkdir -p "$ARCHIVE"
