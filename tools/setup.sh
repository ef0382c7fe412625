#!/bin/sh
# A virtual environment in $1 with the package and its pinned dependencies. Says what it does, and what to do if it fails.
set -eu
venv=$1
python=${PYTHON:-python3}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    echo "kubephase needs Python 3.11 or newer as '$python'; name another with: make PYTHON=/path/to/python" >&2
    exit 1
}

make_venv() { rm -rf "$venv" && "$python" -m venv "$venv" >/dev/null 2>&1; }

echo "setting up $venv ..." >&2
if ! make_venv; then
    # Debian ships Python without the part that makes virtual environments.
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "installing Debian's python3-venv ..." >&2
        apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
    fi
    make_venv || {
        echo "Python cannot make a virtual environment here; on Debian and Ubuntu: sudo apt-get install python3-venv" >&2
        exit 1
    }
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docker]'
command -v dot >/dev/null 2>&1 || echo "note: pictures as SVG and PNG need Graphviz: apt-get install graphviz" >&2
