"""A spec whose run takes about a second, for tests of the command line."""

from __future__ import annotations

from tests.october import october

SMALL = october(
    {
        "name": "small",
        "epochs": 2,
        "data": {"batch_size": 128},
        "model": {
            "hidden": [12, 8],
            "attention": {"heads": 2, "layers": 1, "width": 8, "feedforward": 8},
            "gate": {"penalty": {"weight": 0.1}, "dropout": {"rate": 0.1}, "context_scale": 1.0},
            "auxiliary": {"weight": 0.05},
        },
        "early_stopping": None,
        "track": {"mode": "disabled"},
    }
)
