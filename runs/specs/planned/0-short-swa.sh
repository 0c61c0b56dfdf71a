#!/bin/sh
# What the planned experiments begin with: a parent, the positives that it misses, and a fine-tune of it that replays
# them and averages its last epochs. As all scripts here it is sized for the demo data; from the top of the repository,
# with `kag` on the PATH:
#
#   kag data synth demo.h5
#   sh runs/specs/planned/0-short-swa.sh
#
# The parent is trained briefly: on so little data it would soon miss nothing that could be mined.
# Other data and sizes: SPEC=runs/specs/oct17.yaml DATA=october.h5 EPOCHS=36 START=26 WINDOW=6 PARENT_EPOCHS=80 sh ...
set -eu
: "${SPEC:=runs/specs/demo.yaml}" "${DATA:=demo.h5}" "${RUNS:=runs}" "${HARD:=hard.json}"
: "${EPOCHS:=16}" "${START:=11}" "${WINDOW:=4}" "${PARENT_EPOCHS:=3}"

kag train "$SPEC" name=parent data.file="$DATA" epochs="$PARENT_EPOCHS" --runs "$RUNS"
kag mine parent --out "$HARD" --runs "$RUNS"
kag train "$SPEC" name=short-swa data.file="$DATA" epochs="$EPOCHS" early_stopping=null start_from.run=parent \
    data.replay.indices="$HARD" data.replay.repeat=3 data.replay.until="$START" \
    swa.start="$START" swa.window="$WINDOW" swa.lr=2e-4 swa.anneal_epochs=6 swa.keep_sums=true --runs "$RUNS"
