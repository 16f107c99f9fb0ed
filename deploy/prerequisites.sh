#!/bin/sh
# Says what this computer lacks for `make setup`, and installs it where apt-get and the rights for it are there.
# Exit code 2 and one sentence if something is missing and cannot be installed.
# usage: deploy/prerequisites.sh PYTHON [jars|nojars] [tests]
# Maven is needed only as long as the jars are not there, PostgreSQL only for the tests.
set -eu
python=$1
need_maven=${2:-jars}
need_postgres=${3:-}
packages=

has_venv() { "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; }
is_python() { "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
is_java() {
    command -v java >/dev/null 2>&1 || return 1
    major=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${major:-0}" -ge 17 ]
}
is_postgres() {
    [ "$need_postgres" = tests ] || return 0
    command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1
}
is_maven() { [ "$need_maven" = nojars ] || command -v mvn >/dev/null 2>&1; }

is_python || packages="$packages python3 python3-venv"
{ ! is_python || has_venv; } || packages="$packages python3-venv"
is_java || packages="$packages openjdk-17-jre-headless"
is_maven || packages="$packages maven"
is_postgres || packages="$packages postgresql"
[ -n "$packages" ] || exit 0

sudo=
if [ "$(id -u)" -ne 0 ]; then sudo="sudo -n"; fi
if command -v apt-get >/dev/null 2>&1 && { [ -z "$sudo" ] || $sudo true >/dev/null 2>&1; }; then
    mkdir -p .cache
    log=.cache/apt.log
    begin=$(date +%s)
    echo "setup: installing$packages"
    install() {
        # RUNLEVEL=1: nothing of what is installed is started; the tests start a server of their own.
        # shellcheck disable=SC2086  # a list of names, and an optional sudo
        $sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y --no-install-recommends $packages >>"$log" 2>&1 </dev/null
    }
    : >"$log"
    if ! { $sudo apt-get update >>"$log" 2>&1 && install; }; then
        echo "apt-get could not install$packages: see $log, install them by hand and run \`make setup\` again" >&2
        exit 2
    fi
    echo "setup: installed$packages ($(($(date +%s) - begin)) s)"
fi

missing=
add() { missing="${missing:+$missing; }$1"; }
is_python || add "Python 3.11 or newer (\`$python\` is not; name another by \`make PYTHON=python3.12\`)"
{ ! is_python || has_venv; } || add "the venv module of $python (Debian: apt-get install python3-venv)"
is_java || add "Java 17 or newer (Debian: apt-get install openjdk-17-jre-headless)"
is_maven || add "Maven (Debian: apt-get install maven)"
is_postgres || add "PostgreSQL, for the tests (Debian: apt-get install postgresql)"
if [ -n "$missing" ]; then
    echo "missing: $missing" >&2
    exit 2
fi
