#!/bin/sh
# Planned 3: what may come before averaging. Three runs that differ from short-swa in one thing each: a focal start, a
# weight of the positives that grows, and replay in every other pair of epochs. Needs the runs of 0-short-swa.sh; the
# same settings. At full size the first one is focal-warm-up.yaml.
set -eu
: "${SPEC:=runs/specs/demo.yaml}" "${DATA:=demo.h5}" "${RUNS:=runs}" "${HARD:=hard.json}"
: "${EPOCHS:=16}" "${START:=11}" "${WINDOW:=4}"

set -- "$SPEC" data.file="$DATA" epochs="$EPOCHS" early_stopping=null start_from.run=parent \
    data.replay.indices="$HARD" data.replay.repeat=3 data.replay.until="$START" \
    swa.start="$START" swa.window="$WINDOW" swa.lr=2e-4 swa.anneal_epochs=6 --runs "$RUNS"

kag train "$@" name=focal-start loss.warmup.kind=focal loss.warmup.epochs=3
kag train "$@" name=growing-weight loss.pos_weight.start=10 loss.pos_weight.end=30 loss.pos_weight.epochs="$START"
kag train "$@" name=alternate-replay data.replay.period=4 data.replay.length=2
kag runs compare short-swa focal-start growing-weight alternate-replay --runs "$RUNS"
