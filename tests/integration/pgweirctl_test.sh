#!/bin/bash
# pgweirctl against real servers: a primary and a standby made, made again, stopped, started, taken
# over and repaired. Usage: pgweirctl_test.sh PGWEIRCTL CLUSTER_INI [PORT]: PORT and the next one are
# used; two free ones if left out.
# Works as root (the servers then run as postgres) and as an ordinary user.
set -u

ctl=$(realpath "$1")
sample=$(realpath "$2")
# Below the ports that the kernel gives to outgoing connections, or one of these may come first, and below those that other
# tests give themselves.
port=${3:-$(python3 -c "import random, socket
while True:
    port = random.randrange(7000, 9990)
    try:
        socket.create_server(('127.0.0.1', port)).close()
        socket.create_server(('127.0.0.1', port + 1)).close()
    except OSError:
        continue
    print(port)
    break")}

work=$(mktemp -d /tmp/pgweirctl-test.XXXXXX)
chmod 755 "$work"
root=$work/root
cp "$sample" "$work/cluster.ini"
failures=0
listener=

# Nothing of the caller's may matter: all of this would break a program that listens to it.
export PGHOST=nowhere.invalid PGPORT=1 PGUSER=nobody PGOPTIONS=-cnonsense=1 PGPASSFILE=/nonexistent
export LC_ALL=xx_XX.UTF-8 2>/dev/null

# Every call has its own place and ports; later options win.
run() { "$ctl" -c "$work/cluster.ini" --root "$root" --set primary.port="$port" \
    --set standby1.port=$((port + 1)) --set cluster.memory=1GB "$@" >"$work/out" 2>"$work/err"; }

cleanup() {
    [ -n "$listener" ] && kill "$listener" 2>/dev/null
    run stop
    if [ "$failures" -gt 0 ]; then
        tail -n 20 "$root"/log/*.log 2>/dev/null
    fi
    rm -rf "$work"
}
trap cleanup EXIT

fail() {
    failures=$((failures + 1))
    echo "FAIL: $1"
    sed 's/^/    out: /' "$work/out"
    sed 's/^/    err: /' "$work/err"
}

# expect WHAT COMMAND...: the command succeeds.
expect() {
    local what=$1
    shift
    if "$@"; then echo "ok: $what"; else fail "$what"; fi
}

refused() { ! "$@"; }
out_has() { grep -q -- "$1" "$work/out"; }
err_has() { grep -q -- "$1" "$work/err"; }
changed_nothing() { ! grep -q '^  done ' "$work/out"; }
mode_is() { [ "$(stat -c %a "$1")" = "$2" ]; }

# as ROLE PORT SQL: one value, with the password from the role's file.
as() {
    local file=$root/secrets/${1}_password
    [ "$1" = pgweir_prober ] && file=$root/secrets/prober_password
    env -u PGOPTIONS -u PGPASSFILE PGPASSWORD="$(cat "$file")" LC_ALL=C \
        psql -X -h 127.0.0.1 -p "$2" -U "$1" -d connect -Atqc "$3" 2>"$work/err"
}
value_is() { [ "$(as "$1" "$2" "$3")" = "$4" ]; }

# A replayed row may take a moment.
value_becomes() {
    for _ in $(seq 100); do
        value_is "$@" && return 0
        sleep 0.1
    done
    return 1
}

making() {
    expect "a dry run passes" run init --dry-run
    expect "and makes nothing" test ! -e "$root/primary"
    expect "status before init says not created" refused run status
    expect "with words" out_has 'not created'
    expect "add-standby before init is refused" refused run add-standby
    expect "and sends to init" err_has 'pgweirctl init'
    expect "start before init is refused" refused run start

    expect "init makes the primary" run init
    expect "six checks pass" test "$(grep -c '^  pass ' "$work/out")" = 6
    expect "init again" run init
    expect "changes nothing" changed_nothing
    expect "a dry run afterwards has nothing to do" run -n init
    expect "nothing at all" refused out_has 'would do'

    expect "add-standby copies it" run add-standby standby1
    expect "ten checks pass" test "$(grep -c '^  pass ' "$work/out")" = 10
    expect "add-standby again" run add-standby
    expect "changes nothing" changed_nothing
    expect "status is good" run status
    expect "and shows the stream" out_has "streaming from 127.0.0.1:$port"
}

using() {
    expect "the application writes" as app "$port" 'create table t (x int); insert into t values (42)'
    expect "its row arrives" value_becomes app $((port + 1)) 'select x from t' 42
    expect "the standby refuses writes" refused as app $((port + 1)) 'insert into t values (1)'
    expect "checksums are on" value_is app "$port" 'show data_checksums' on
    expect "the standby has its name" value_is pgweir_prober "$port" \
        'select application_name, state from pg_replication_status()' 'standby1|streaming'
    expect "applications do not see replication" refused as app "$port" \
        'select * from pg_replication_status()'
    expect "the prober is no superuser" refused as pgweir_prober "$port" 'select * from pg_authid'
}

hiding() {
    local name word
    for name in app admin replication prober; do
        expect "$name password is private" mode_is "$root/secrets/${name}_password" 600
        word=$(cat "$root/secrets/${name}_password")
        expect "$name password is in no log" refused grep -rqF -- "$word" "$root/log"
        expect "$name password is in no data file" refused grep -qrF -- "$word" \
            "$root/primary" "$root/standby1"
    done
    expect "user list is private" mode_is "$root/pgweir/userlist.txt" 600
    expect "password file is private" mode_is "$root/secrets/replication.pgpass" 600
    expect "user list holds the application" grep -q '^"app" "' "$root/pgweir/userlist.txt"
    expect "primary's data is private" mode_is "$root/primary" 700
    expect "standby's data is private" mode_is "$root/standby1" 700
}

stopping() {
    expect "stop stops both" run stop
    expect "stop again" run stop
    expect "changes nothing" changed_nothing
    expect "status says so" refused run status
    expect "with words" out_has 'stopped'
    expect "add-standby without a primary is refused" refused run add-standby
    expect "and says where it looked" err_has "port $port failed"

    python3 -c "import socket, signal
s = socket.create_server(('127.0.0.1', $port)); signal.pause()" &
    listener=$!
    for _ in $(seq 600); do
        ss -Hltn "sport = :$port" 2>/dev/null | grep -q . && break
        sleep 0.05
    done
    expect "a taken port stops the start" refused run start
    expect "and is named" err_has "port $port on 127.0.0.1 is taken"
    kill "$listener"
    wait "$listener" 2>/dev/null
    listener=
    expect "start starts both" run start
    expect "the stream is back" value_becomes pgweir_prober "$port" \
        'select state from pg_replication_status()' streaming
}

changing() {
    expect "a new setting of the primary" run --set cluster.max_connections=210 init
    expect "restarts it" out_has 'restarted'
    expect "and is in use" value_is app "$port" 'show max_connections' 210
    expect "the old file is kept" test -e "$root/primary/pgweir.conf.backup"
    expect "the standby follows" run --set cluster.max_connections=210 add-standby standby1
    expect "and has it too" value_is app $((port + 1)) 'show max_connections' 210
    expect "a new network" run --set cluster.max_connections=210 \
        --set 'cluster.client_networks=127.0.0.1/32 10.1.2.0/24' init
    expect "needs a reload only" out_has 'reloaded'
    expect "the rule is there" grep -q '10.1.2.0/24' "$root/primary/pg_hba.conf"
    expect "a new password of the application" \
        env PGWEIR_APP_PASSWORD="changed-word" "$ctl" -c "$work/cluster.ini" --root "$root" \
        --set primary.port="$port" --set standby1.port=$((port + 1)) --set cluster.memory=1GB init \
        >"$work/out"
    expect "is in use" value_is app "$port" 'select 1' 1
    expect "and in the user list" grep -q '"app" "changed-word"' "$root/pgweir/userlist.txt"
}

repairing() {
    expect "the standby is stopped" run stop standby1
    rm -f "$root/standby1/standby.signal"
    echo precious >"$root/standby1/precious"
    expect "what is no standby is moved aside" run add-standby standby1
    expect "not deleted" grep -q precious "$root/standby1.backup/precious"
    expect "and the copy streams" value_becomes pgweir_prober "$port" \
        'select state from pg_replication_status()' streaming
    expect "and has the rows" value_becomes app $((port + 1)) 'select x from t' 42
}

refusing() {
    expect "a standby's data is no primary" refused run --set primary.data_dir="$root/standby1" \
        --set standby1.data_dir="$root/other" init
    expect "placeholders are refused in production" refused env PGWEIR_PROBER_PASSWORD=CHANGE_ME_1 \
        "$ctl" -c "$work/cluster.ini" --root "$root" --set cluster.profile=production init \
        >"$work/out" 2>"$work/err"
    expect "with words" grep -q placeholder "$work/err"
    expect "an unknown standby" refused run add-standby nobody
    expect "is named" err_has 'nobody'
    expect "an unknown command" refused run promote-all
    expect "help teaches" run --help
    expect "with examples" out_has 'Examples:'
    if [ "$(id -u)" = 0 ]; then
        mkdir -m 700 "$work/closed"
        expect "a place that postgres cannot reach" refused "$ctl" -c "$work/cluster.ini" \
            --root "$work/closed/root" init 2>"$work/err"
        expect "is named, with another" err_has "cannot enter $work/closed"
        local owner
        owner=$(stat -c %U "$root/primary/PG_VERSION")
        expect "the servers are not root's" test "$owner" = postgres
    fi
}

making
using
hiding
stopping
changing
repairing
refusing
[ "$failures" = 0 ] || { echo "$failures failed"; exit 1; }
echo "all passed"
