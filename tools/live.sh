#!/bin/sh
# The suite on two Docker engines of its own, which are ended afterwards whatever happens; then docs/live.md is made of
# the report, or with --check compared.  $1: the folder with kubephase and python, $2: the report, $3: --check or nothing.
set -eu
bin=$1 out=$2 check=${3:-}

down() { "$bin/kubephase" nodes down >&2; }
trap down EXIT
trap 'exit 130' INT TERM

"$bin/kubephase" nodes up 2
"$bin/kubephase" conform --runtime docker --deviations adapters/docker/deviations.toml --report "$out" --floor
"$bin/python" tools/live.py $check "$out"
