#!/bin/sh
# Planned 2: does a blend keep the snapshot's val peak? Eleven ratios between the best epoch and the average of the same
# run, then between the best epoch and the parent that it was tuned from. Val chooses each blend; test is seen once a
# blend. Needs the runs of 0-short-swa.sh; the same settings.
set -eu
: "${RUNS:=runs}" "${RATIOS:=0:1:0.1}"

kag blend short-swa:best short-swa:averaged --ratios "$RATIOS" --name snapshot-average --runs "$RUNS"
kag blend short-swa:best parent --ratios "$RATIOS" --name snapshot-parent --runs "$RUNS"
