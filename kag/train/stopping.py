"""Early stopping whose settings come from the spec, also after a resume.

It watches the weights that the run is after: those of the epoch, and inside the averaging window the average. There it
counts anew: the first average is worth no more than its epoch, and to measure it by the best epoch before would stop
the run while the average still rises. The run hands on whichever of them is better on val.
"""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping

from kag import names
from kag.spec.run import EarlyStoppingSpec


class SpecEarlyStopping(EarlyStopping):
    """Lightning's early stopping on val AUPRC, but a resume does not put the old patience over the spec (its #1464).

    Args:
        spec: patience and smallest rise.
        window_start: the first averaged epoch, or None without averaging.
    """

    def __init__(self, spec: EarlyStoppingSpec, window_start: int | None = None) -> None:
        super().__init__(
            monitor=names.OBJECTIVE,
            mode="max",
            patience=spec.patience,
            min_delta=spec.min_delta,
            check_on_train_epoch_end=True,
            check_finite=False,
            verbose=False,
        )
        self._window_start = window_start

    @property
    def stopped_early(self) -> bool:
        """Whether it ended the run."""
        return self.wait_count >= self.patience

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do not train on if the run had already been stopped when it was killed."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the epoch; the first of the window is the first that counts in it."""
        if trainer.current_epoch == self._window_start:
            self.wait_count, self.best_score = 0, torch.tensor(-torch.inf)
        super().on_train_epoch_end(trainer, pl_module)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what was counted, not what was set."""
        super().load_state_dict({**state_dict, "patience": self.patience})
