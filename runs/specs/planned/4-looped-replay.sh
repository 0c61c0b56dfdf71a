#!/bin/sh
# Planned 4: hard positives in a loop: every fifth epoch shows them three times, the others as they are, and none once
# averaging begins. Needs the runs of 0-short-swa.sh; the same settings. At full size this is looped-replay.yaml.
set -eu
: "${SPEC:=runs/specs/demo.yaml}" "${DATA:=demo.h5}" "${RUNS:=runs}" "${HARD:=hard.json}"
: "${EPOCHS:=16}" "${START:=11}" "${WINDOW:=4}"

kag train "$SPEC" name=looped data.file="$DATA" epochs="$EPOCHS" early_stopping=null start_from.run=parent \
    data.replay.indices="$HARD" data.replay.repeat=3 \
    data.replay.period=5 data.replay.length=1 data.replay.until="$START" \
    swa.start="$START" swa.window="$WINDOW" swa.lr=2e-4 swa.anneal_epochs=6 --runs "$RUNS"
kag runs compare short-swa looped --runs "$RUNS"
