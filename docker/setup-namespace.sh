#!/bin/sh
# Creates the namespace where it is missing, and has it keep closed sessions as long as it should.
set -eu

until temporal operator cluster health; do sleep 1; done
temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
  temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE"
# A new namespace is not known everywhere at once.
until temporal operator namespace update --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"; do sleep 1; done
