"""Lightning with its own logger, as its documentation has it: every checkpoint becomes an artifact."""

import json

import lightning
import torch
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import WandbLogger


class Line(lightning.LightningModule):
    """A line through points."""

    def __init__(self, lr: float = 0.1) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch: list[torch.Tensor]) -> torch.Tensor:
        """Mean squared error."""
        loss = torch.nn.functional.mse_loss(self.layer(batch[0]), batch[1])
        self.log("train/loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch: list[torch.Tensor]) -> None:
        """The same on other points."""
        self.log("val_loss", torch.nn.functional.mse_loss(self.layer(batch[0]), batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain descent."""
        return torch.optim.SGD(self.parameters(), lr=self.hparams["lr"])


x = torch.linspace(-1, 1, 32)[:, None]
points = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, 2 * x + 1), batch_size=8)
logger = WandbLogger(project="programs", id="lightning", log_model="all")
trainer = lightning.Trainer(
    max_epochs=3,
    logger=logger,
    log_every_n_steps=1,
    accelerator="cpu",
    enable_progress_bar=False,
    callbacks=[ModelCheckpoint(monitor="val_loss", save_top_k=-1), LearningRateMonitor()],
)
trainer.fit(Line(), points, points)
print(json.dumps({"val_loss": trainer.callback_metrics["val_loss"].item(), "steps": trainer.global_step}))
