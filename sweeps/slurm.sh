#!/usr/bin/env bash
# Agents of one sweep as a SLURM array: each task is one `wandb agent` on whatever node it gets, all ask one server.
#
#   export WANDB_BASE_URL=https://tracking.example.org WANDB_API_KEY=...      # kag serve, or W&B itself
#   wandb sweep sweeps/swa_window.yaml                                        # prints entity/project/id
#   sbatch --array=0-7 sweeps/slurm.sh entity/project/id
#
# Run it in the folder that holds runs/ and sweeps/, on a file system that all nodes see. With `--gpus=4` a trial may
# use four GPUs by itself: trainer.devices=4 in its spec.
#SBATCH --job-name=kag-agent
#SBATCH --array=0-3
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus=1
#SBATCH --time=08:00:00
#SBATCH --signal=B:TERM@180
#SBATCH --output=slurm-%A_%a.log
set -euo pipefail

sweep=${1:?the path of the sweep: entity/project/id}
: "${WANDB_API_KEY:?an API key of the server}"

# Each task has its own cores; more threads than cores slow training many times over.
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
# W&B's local files are scratch, the run folders are the truth: away from the shared file system.
WANDB_DIR=$(mktemp --directory "${TMPDIR:-/tmp}/wandb.XXXXXX")
export WANDB_DIR
# An agent gives up when its first trials fail; the server bounds the retries of a point already.
export WANDB_AGENT_DISABLE_FLAPPING=true
# One task a trial: Lightning must start the other processes of a trial itself and not wait for SLURM to do so.
export SLURM_JOB_NAME=interactive

# --signal warns three minutes before the end; the trial then saves, and the server gives its point to another agent.
exec wandb agent --forward-signals --term-timeout 150 "$sweep"
