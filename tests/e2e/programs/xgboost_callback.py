"""xgboost with the callback of wandb."""

import json

import numpy as np
import wandb
import xgboost
from wandb.integration.xgboost import WandbCallback

x = np.linspace(-1, 1, 64)[:, None]
data = xgboost.DMatrix(x, label=x[:, 0] > 0)
seen: dict[str, dict[str, list[float]]] = {}
with wandb.init(project="programs", id="xgboost") as run:
    xgboost.train(
        {"objective": "binary:logistic", "eval_metric": ["logloss", "auc"], "max_depth": 2},
        data,
        num_boost_round=5,
        evals=[(data, "train")],
        evals_result=seen,
        callbacks=[WandbCallback(log_model=True)],
    )
print(json.dumps(seen["train"]))
