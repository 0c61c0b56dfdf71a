#!/bin/sh
# Planned 1: what is the best single epoch of the averaged run worth, on its own, on val and on test? October tested
# only what came out at the end. Needs the runs of 0-short-swa.sh; the same settings.
set -eu
: "${RUNS:=runs}"

kag eval short-swa:best --split val --split test --runs "$RUNS"
