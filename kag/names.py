"""Every metric key, written once. A key that is not here is not logged.

Per-layer and per-head keys are made by `entropy_layer(i)` and `entropy_head(i)`; the keys of a split by
`evaluation("val", "auprc")`. `averaged("val/auprc")` is the same metric of the averaged weights.
"""

from __future__ import annotations

from typing import Literal, get_args

EPOCH = "epoch"
STEP = "_step"
"""Of a row that another program logged, as W&B counts them; kag itself never logs it."""
LR = "lr"
SAMPLES_PER_SECOND = "samples_per_second"
"""Of training alone: validation is not in the time."""

GRADIENT_NORM = "grad/norm"
"""Before it is clipped, the mean over the steps of the epoch."""

TRAIN_LOSS = "train/loss"
TRAIN_LOSS_MAIN = "train/loss_main"
TRAIN_LOSS_PENALTY = "train/loss_penalty"
TRAIN_LOSS_AUXILIARY = "train/loss_auxiliary"

VAL_LOSS = "val/loss"
"""What `train/loss_main` is, on val and without dropout: the same kind of loss, `pos_weight` and warm-up."""

ALPHA_MEAN = "gate/alpha_mean"
ALPHA_STD = "gate/alpha_std"
ALPHA_P05 = "gate/alpha_p05"
ALPHA_P50 = "gate/alpha_p50"
ALPHA_P95 = "gate/alpha_p95"
SATURATED_SHARE = "gate/saturated_share"
PENALTY_WEIGHT = "gate/penalty_weight"
DROPOUT_RATE = "gate/dropout_rate"
CONTEXT_SCALE = "gate/context_scale"

ENTROPY = "attention/entropy"
"""Divided by the log of the valid tokens, so that 1 is uniform; over contexts that have a neighbour to attend to."""
NORM_RATIO = "context/norm_ratio"
VALID_SHARE = "context/valid_share"

AUXILIARY_LOSS = "auxiliary/loss"
AUXILIARY_WEIGHT = "auxiliary/weight"

SWA_ACTIVE = "swa/active"
SWA_AVERAGED_EPOCHS = "swa/averaged_epochs"

POS_WEIGHT = "imbalance/pos_weight"
PREVALENCE = "imbalance/prevalence"

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
ALL: Literal["all"] = "all"
"""All rows of a file: what is evaluated where a file has no splits."""
Part = Literal[Split, "all"]
"""What a number is about: a split, or all rows."""
METRICS = ("auprc", "auprc_per_protein", "auroc", "iou", "f1", "precision", "recall", "threshold", "bce")
"""What logits and labels alone tell; `bce` is the cross-entropy in which every point weighs the same."""

Kind = Literal["raw", "raw_recomputed", "averaged", "averaged_recomputed", "blend", "ensemble"]
"""How weights came to be: of one epoch, a mean over epochs (each also with its statistics recomputed), over runs; or
several runs, whose logits are averaged.
"""

OBJECTIVE = "val/auprc"
"""What a sweep maximises: the val AUPRC of the weights that the run delivers, logged last."""


def evaluation(split: str, metric: str) -> str:
    """Key of a metric of a split: `val/auprc`."""
    return f"{split}/{metric}"


def averaged(key: str) -> str:
    """Key of the same metric of the averaged weights: `val/auprc` -> `val_averaged/auprc`."""
    split, metric = key.split("/", 1)
    return f"{split}_averaged/{metric}"


def entropy_layer(layer: int) -> str:
    """Key of the attention entropy of one layer, averaged over its heads."""
    return f"{ENTROPY}_layer{layer}"


def entropy_head(head: int) -> str:
    """Key of the attention entropy of one head, averaged over the layers."""
    return f"{ENTROPY}_head{head}"
