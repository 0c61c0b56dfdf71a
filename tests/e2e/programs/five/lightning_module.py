"""Lightning with its own logger, five times: what `save_hyperparameters` takes up, what `log` averages."""

import json

import lightning
import torch
import wandb
from lightning.pytorch.loggers import WandbLogger

RUNS = {
    "slow": {"lr": 0.01, "seed": 1},
    "fast": {"lr": 0.1, "seed": 1},
    "fast-again": {"lr": 0.1, "seed": 2},
    "momentum": {"lr": 0.1, "seed": 1, "momentum": 0.9},
    "too-fast": {"lr": 100.0, "seed": 1},
}


class Line(lightning.LightningModule):
    """A line through points."""

    def __init__(self, lr: float, seed: int, momentum: float = 0.0) -> None:
        super().__init__()
        self.save_hyperparameters()
        torch.manual_seed(seed)
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch: list[torch.Tensor]) -> torch.Tensor:
        """Mean squared error."""
        loss = torch.nn.functional.mse_loss(self.layer(batch[0]), batch[1])
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: list[torch.Tensor]) -> None:
        """The same on other points."""
        self.log("val_loss", torch.nn.functional.mse_loss(self.layer(batch[0]), batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain descent."""
        return torch.optim.SGD(self.parameters(), lr=self.hparams["lr"], momentum=self.hparams["momentum"])


x = torch.linspace(-1, 1, 32)[:, None]
points = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, 2 * x + 1), batch_size=8)
told = {}
for name, settings in RUNS.items():
    trainer = lightning.Trainer(
        max_epochs=3,
        logger=WandbLogger(name=name, id=name, save_dir=".", group="lines"),
        log_every_n_steps=2,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(Line(**settings), points, points)
    told[name] = {key: value.item() for key, value in trainer.callback_metrics.items()}
    wandb.finish()
print(json.dumps(told))
