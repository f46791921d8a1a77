#!/bin/sh
# pgweir's entrypoint: the user list from the secrets, the databases from the environment, then pgweir.
#
# Variables: APP_DATABASE, APP_USER, PRIMARY_HOST, PRIMARY_PORT, REPLICA_HOST, REPLICA_PORT,
# PGWEIR_CONFIG (the mounted pgweir.ini), PGWEIR_RUN (a private folder, in memory), SECRETS (folder
# with app_password and console_password).
set -eu

umask 077
# In the user list a quote is doubled.
entry() { printf '"%s" "%s"\n' "$1" "$(head -n 1 "$SECRETS/$2_password" | sed 's/"/""/g')"; }

mkdir -p "$PGWEIR_RUN"
{
    entry "$APP_USER" app
    entry pgweir_admin console
} > "$PGWEIR_RUN/userlist.txt"

cat > "$PGWEIR_RUN/pgweir.ini" <<INI
[databases]
$APP_DATABASE = host=$PRIMARY_HOST port=$PRIMARY_PORT dbname=$APP_DATABASE
${APP_DATABASE}_standby = host=$REPLICA_HOST port=$REPLICA_PORT dbname=$APP_DATABASE
[pgweir]
auth_file = $PGWEIR_RUN/userlist.txt
%include $PGWEIR_CONFIG
INI

exec pgweir "$PGWEIR_RUN/pgweir.ini"
