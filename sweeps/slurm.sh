#!/usr/bin/env bash
# Agents of one sweep as a SLURM array: each task is one `wandb agent` on whatever node it gets, all ask one server.
#
#   export WANDB_BASE_URL=https://tracking.example.org WANDB_API_KEY=...      # kag serve, or W&B itself
#   wandb sweep sweeps/swa_window.yaml                                        # prints entity/project/id
#   sbatch --array=0-7 sweeps/slurm.sh entity/project/id
#   sbatch --array=0-7 --gpus=0 --cpus-per-task=4 --time=02:00:00 sweeps/slurm.sh entity/project/id      # CPUs alone
#   scancel --batch --signal=TERM JOB      # ends it: trials save and leave; without these options they have 30 seconds
#
# `kag sweep run SWEEP.yaml --on slurm` does all of this in one command. Options of sbatch win over the lines below:
# --array, --cpus-per-task, --gpus, --time, --partition, --output. Variables that are set win too: OMP_NUM_THREADS
# (cores of a task), TMPDIR (where W&B's local files go). Submit it in the folder that holds runs/ and sweeps/, on a
# file system that all nodes see. With `--gpus=4` a trial may use four GPUs by itself: trainer.devices=4 in its spec.
#SBATCH --job-name=kag-agent
#SBATCH --array=0-3
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus=1
#SBATCH --time=08:00:00
#SBATCH --signal=B:USR1@180
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=slurm-%j.log
set -euo pipefail

sweep=${1:?the path of the sweep: entity/project/id}
# Address and key of the server, if they stand in a file, which only its owner can read.
if [ -n "${2:-}" ]; then
    set -a
    # shellcheck disable=SC1090
    . "$2"
    set +a
fi
: "${WANDB_API_KEY:?an API key of the server}"

# Each task has its own cores; more threads than cores slow training many times over.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-${SLURM_CPUS_PER_TASK:-1}}
# W&B's local files are scratch, the run folders are the truth: away from the shared file system.
WANDB_DIR=$(mktemp --directory "${TMPDIR:-/tmp}/wandb.XXXXXX")
export WANDB_DIR
# An agent gives up when its first trials fail; the server bounds the retries of a point already.
export WANDB_AGENT_DISABLE_FLAPPING=true WANDB_AGENT_MAX_INITIAL_FAILURES=1000
# One task a trial: Lightning must start the other processes of a trial itself and not wait for SLURM to do so.
export SLURM_JOB_NAME=interactive

# SLURM sends USR1 three minutes before the time is up, or up to a minute earlier: the trial saves, its point goes back,
# and the task queues again. TERM ends the task in the same way, for good.
again=
wandb agent --forward-signals --term-timeout 150 "$sweep" &
agent=$!
trap 'again=yes; kill -TERM "$agent" 2>/dev/null || true' USR1
trap 'again=; kill -TERM "$agent" 2>/dev/null || true' TERM INT
# A signal ends a wait, not the agent.
while kill -0 "$agent" 2>/dev/null; do wait "$agent" || true; done
code=0
wait "$agent" || code=$?
# The id of the job of one task may be that of its whole array.
task=${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}
if [ -n "$again" ]; then scontrol requeue "$task"; fi
exit "$code"
