"""Early stopping whose settings come from the spec, also after a resume."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping

from kag import names
from kag.spec.run import EarlyStoppingSpec


class SpecEarlyStopping(EarlyStopping):
    """Lightning's early stopping on val AUPRC, but a resume does not put the old patience over the spec (its #1464)."""

    def __init__(self, spec: EarlyStoppingSpec) -> None:
        super().__init__(
            monitor=names.OBJECTIVE,
            mode="max",
            patience=spec.patience,
            min_delta=spec.min_delta,
            check_on_train_epoch_end=True,
            check_finite=False,
            verbose=False,
        )

    @property
    def stopped_early(self) -> bool:
        """Whether it ended the run."""
        return self.wait_count >= self.patience

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do not train on if the run had already been stopped when it was killed."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what was counted, not what was set."""
        super().load_state_dict({**state_dict, "patience": self.patience})
