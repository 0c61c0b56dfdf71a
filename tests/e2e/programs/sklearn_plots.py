"""The plots of wandb for scikit-learn."""

import json

import numpy as np
import wandb
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix

generator = np.random.default_rng(0)
x = generator.normal(size=(120, 3))
y = (x[:, 0] + 0.1 * x[:, 1] > 0).astype(int)
model = LogisticRegression().fit(x[:80], y[:80])
with wandb.init(project="programs", id="sklearn") as run:
    wandb.sklearn.plot_classifier(
        model,
        x[:80],
        x[80:],
        y[:80],
        y[80:],
        model.predict(x[80:]),
        model.predict_proba(x[80:]),
        labels=["out", "in"],
        model_name="logistic",
        feature_names=["a", "b", "c"],
    )
print(json.dumps(confusion_matrix(y[80:], model.predict(x[80:])).tolist()))
