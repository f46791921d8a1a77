#!/bin/sh
# Healthy: answers, and is no standby.
set -eu

answer=$(PGCONNECT_TIMEOUT=3 psql -X -Atqc 'SELECT NOT pg_is_in_recovery()' -U "$POSTGRES_USER" -d "$POSTGRES_DB")
[ "$answer" = t ]
