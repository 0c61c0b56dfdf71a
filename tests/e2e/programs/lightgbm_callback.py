"""lightgbm with the callback of wandb."""

import json

import lightgbm
import numpy as np
import wandb
from wandb.integration.lightgbm import log_summary, wandb_callback

x = np.linspace(-1, 1, 200)[:, None]
data = lightgbm.Dataset(x, label=(x[:, 0] > 0).astype(int))
seen: dict[str, dict[str, list[float]]] = {}
with wandb.init(project="programs", id="lightgbm") as run:
    booster = lightgbm.train(
        {"objective": "binary", "metric": ["binary_logloss", "auc"], "verbose": -1},
        data,
        num_boost_round=5,
        valid_sets=[data],
        valid_names=["seen"],
        callbacks=[wandb_callback(), lightgbm.record_evaluation(seen)],
    )
    log_summary(booster, save_model_checkpoint=True)
print(json.dumps(seen["seen"]))
