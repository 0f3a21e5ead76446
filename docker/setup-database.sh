#!/bin/sh
# Creates and updates the server's two databases. Any number of times: what is there stays.
set -eu

for database in temporal temporal_visibility; do
  schema="${database#temporal_}"
  temporal-sql-tool --database "$database" create
  # Fails where there is a schema already, and then the update below is all that is needed.
  temporal-sql-tool --database "$database" setup-schema --version 0.0 || echo "$database has a schema"
  temporal-sql-tool --database "$database" update-schema --schema-dir "/etc/temporal/schema/postgresql/v12/$schema/versioned"
done
