#!/bin/sh
# Makes the passwords that compose.yaml mounts: strong ones, and only those that are not there yet.
# The folder is closed; the files are readable inside it, because the containers' users are others
# than the one who owns them here.
set -eu

folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
chmod 700 "$folder"
for name in superuser app replication prober console; do
    file=$folder/${name}_password
    if [ ! -s "$file" ]; then
        head -c 24 /dev/urandom | base64 | tr '+/' '-_' > "$file"
        chmod 444 "$file"
        echo "made $file"
    fi
done
