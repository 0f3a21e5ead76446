#!/bin/sh
# Creates the namespace if it is missing, and sets how long it keeps closed sessions.
set -eu

until temporal operator cluster health; do sleep 1; done
temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
  temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE"
# The parts of the server learn of a new namespace one after the other.
until temporal operator namespace update --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"; do sleep 1; done
