"""xgboost with the callback of wandb, five times: its config is the booster's own, a deep tree of texts."""

import json

import numpy as np
import wandb
import xgboost
from wandb.integration.xgboost import WandbCallback

RUNS = {
    "shallow": {"max_depth": 1},
    "deep": {"max_depth": 4},
    "deep-again": {"max_depth": 4, "seed": 7},
    "slow": {"max_depth": 4, "eta": 0.05},
    "bare": {"max_depth": 4, "gamma": 100.0},
}

x = np.linspace(-1, 1, 64)[:, None]
data = xgboost.DMatrix(x, label=np.abs(x[:, 0]) > 0.5)
told = {}
for name, settings in RUNS.items():
    seen: dict[str, dict[str, list[float]]] = {}
    with wandb.init(id=name, name=name, group="trees"):
        xgboost.train(
            {"objective": "binary:logistic", "eval_metric": ["logloss", "auc"], "nthread": 1, **settings},
            data,
            num_boost_round=5,
            evals=[(data, "train")],
            evals_result=seen,
            callbacks=[WandbCallback()],
        )
    told[name] = seen["train"]
print(json.dumps(told))
