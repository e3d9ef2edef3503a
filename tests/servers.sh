#!/bin/sh
# Installs the servers that the tests use as real peers, where they are missing and this user may install packages.
# Where it may not, the tests that need them are skipped and counted; with CI=true such a skip is a failure.
missing=""
command -v mosquitto >/dev/null 2>&1 || missing="$missing mosquitto"
command -v mosquitto_sub >/dev/null 2>&1 || missing="$missing mosquitto-clients"
command -v victoria-metrics >/dev/null 2>&1 || missing="$missing victoria-metrics"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing for the tests:$missing"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >/dev/null 2>&1 && exit 0
    echo "apt could not install:$missing" >&2
fi
echo "missing for some tests:$missing; install with: sudo apt-get install$missing" >&2
exit 0
