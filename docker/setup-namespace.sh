#!/bin/sh
# Creates the namespace, or has it keep closed sessions as long as it should. Any number of times.
set -eu

until temporal operator cluster health; do sleep 1; done
temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
  temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE"
# The server takes a moment to know a new namespace everywhere.
until temporal operator namespace update --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"; do sleep 1; done
