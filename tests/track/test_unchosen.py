"""What nobody chose, told apart in the configs that real programs write."""

from __future__ import annotations

import pytest

from kag.spec.flat import Scalar
from kag.track.unchosen import parted

TRANSFORMERS: dict[str, Scalar] = {
    "transformers_version": "5.24.0",
    "_name_or_path": "/tmp/checkpoint-500",
    "hidden_size": 16,
    "output_dir": "./tmpx76rj2q7",
    "logging_dir": "out/runs/Nov29_vm",
    "run_name": "hot",
    "learning_rate": 0.01,
    "local_rank": -1,
    "hub_token": "<HUB_TOKEN>",
    "resume_from_checkpoint": "out/checkpoint-10",
    "seed": 7,
    "accelerator_config.split_batches": False,
    "model/num_parameters": 10770,
}
LIGHTNING: dict[str, Scalar] = {
    "lr": 0.1,
    "save_dir": "runs",
    "trainer.default_root_dir": "/home/a",
    "trainer.devices": 2,
    "model.device": "cuda:0",
    "model.name": "resnet",
    "lora.rank": 8,
}
XGBOOST: dict[str, Scalar] = {
    "version": "[3, 2, 0]",
    "learner.generic_param.device": "cpu",
    "learner.generic_param.nthread": "1",
    "learner.generic_param.seed": "0",
    "learner.gradient_booster.tree_train_param.eta": "0.3",
}
NEPTUNE: dict[str, Scalar] = {
    "sys_custom_run_id": "RUN-1",
    "sys_creation_time": "2025-10-11T12:00:00+00:00",
    "source_code_git_commit": "1234567",
    "monitoring_4a_pid": 17,
    "parameters_lr": 0.1,
}


@pytest.mark.parametrize(
    ("config", "settings"),
    [
        (
            TRANSFORMERS,
            {
                "hidden_size",
                "learning_rate",
                "resume_from_checkpoint",
                "seed",
                "accelerator_config.split_batches",
                "model/num_parameters",
            },
        ),
        (LIGHTNING, {"lr", "trainer.devices", "model.name", "lora.rank"}),
        (XGBOOST, {"learner.generic_param.seed", "learner.gradient_booster.tree_train_param.eta"}),
        (NEPTUNE, {"parameters_lr"}),
    ],
    ids=["transformers", "lightning", "xgboost", "neptune"],
)
def test_a_program_s_own_words_are_no_settings(config: dict[str, Scalar], settings: set[str]) -> None:
    chosen, rest = parted(config, frozenset({"hot"}))
    assert set(chosen) == settings
    assert {**chosen, **rest} == config, "nothing is dropped"


SETTINGS = """lr learning_rate rank lora.rank world_size devices n_gpu data_dir train_file dataset version model.version
host_dim monitoring_interval sys_noise pretrained start_time date model.name temperature model_name_or_path"""


@pytest.mark.parametrize("key", SETTINGS.split())
def test_what_somebody_may_have_chosen_is_a_setting(key: str) -> None:
    assert parted({key: "bert-base"}, frozenset({"fox"})) == ({key: "bert-base"}, {})


@pytest.mark.parametrize("key", ["hostname", "Hostname", "args.output-dir", "env.python_version", "train/local_rank"])
def test_names_are_known_wherever_they_stand(key: str) -> None:
    assert parted({key: "x"}, frozenset()) == ({}, {key: "x"})


def test_what_a_run_is_called_is_a_setting_only_where_it_tells_more() -> None:
    config: dict[str, Scalar] = {"name": "fox", "run_name": "fox", "model.name": "fox", "exp_name": "night", "id": "w1"}
    assert set(parted(config, frozenset({"fox", "w1"}))[0]) == {"model.name", "exp_name"}
