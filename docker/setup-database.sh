#!/bin/sh
# Creates the server's two databases, or updates their schema. Existing data stays.
set -eu

for database in temporal temporal_visibility; do
  temporal-sql-tool --database "$database" create
  temporal-sql-tool --database "$database" setup-schema --version 0.0
  temporal-sql-tool --database "$database" update-schema --schema-name "postgresql/v12/${database#temporal_}"
done
