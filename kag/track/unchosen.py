"""What a program writes into its config although nobody chose it: where it ran, under which versions, called what.

Such a value differs from run to run and explains nothing, so it is told apart from the settings. A wrong guess would
hide what somebody chose: only names stand here that are never anything else, most of them as a known program writes
them. Numbers of processes, paths of data and the name of a pretrained model are settings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from kag.spec.flat import Scalar

_BY_KIND: Mapping[str, str] = MappingProxyType(
    {
        "where it ran": (
            "host hostname host_name node_name nodename fqdn username pid ppid slurm_job_id job_id node_rank "
            "local_rank global_rank process_index local_process_index local_process_zero device device_name "
            "gpu_name gpu_id gpu_ids cuda_device cuda_visible_devices"
        ),
        "where it writes": (
            "output_dir logging_dir log_dir logdir save_dir run_dir work_dir checkpoint_dir ckpt_dir cache_dir "
            "default_root_dir weights_save_path overwrite_output_dir hub_token hub_model_id"
        ),
        "under which versions": (
            "transformers_version torch_version pytorch_version lightning_version pytorch_lightning_version "
            "python_version wandb_version cuda_version cudnn_version numpy_version xgboost_version lightgbm_version "
            "sklearn_version tensorflow_version keras_version jax_version flax_version accelerate_version peft_version "
            "datasets_version tokenizers_version trl_version kag_version _diffusers_version"
        ),
        # A record has the commit that the client sent.
        "on which code": (
            "git_hash git_sha git_commit git_rev git_revision git_branch git_dirty git_diff git_remote git_url "
            "commit_hash commit_sha commit_id _commit_hash"
        ),
        "when": "timestamp time_stamp datetime started_at created_at creation_time",
    }
)

NAMES = frozenset(name for names in _BY_KIND.values() for name in names.split())
"""Last part of a dotted key, in lower case."""

OWN_NAMES = frozenset(["run_name", "run_id", "experiment_name", "exp_name", "wandb_name", "wandb_id"])
"""Last part of a key that may hold what the run itself is called, as `name` and `id` may: then it tells no more."""

MAY_BE_PATHS = frozenset(("_name_or_path", "model_name_or_path", "tokenizer_name_or_path"))
"""Last part of a key that holds the name of a pretrained model, which is chosen, or the folder of one."""

PROGRAMS: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = (
    # xgboost's callback logs what `Booster.save_config` says.
    (
        re.compile(r"learner\.generic_param\..*"),
        re.compile(r"version|learner\.generic_param\.(nthread|n_jobs|fail_on_invalid_gpu_id)"),
    ),
    # Neptune's own attributes, as its exporter writes them; `sys/custom_run_id` names the run there.
    (
        re.compile(r"sys[/_](custom_run_id|id)"),
        re.compile(r"(sys|monitoring|source_code)[/_].*"),
    ),
)
"""Keys by which a program is known -> keys that nobody chose where it is that program."""

_PATH = re.compile(r"|[/~.\\].*|[A-Za-z]:[\\/].*")


def parted(config: Mapping[str, Scalar], called: frozenset[str]) -> tuple[dict[str, Scalar], dict[str, Scalar]]:
    """The settings of a program, and what it wrote beside them that nobody chose.

    Args:
        config: by dotted key.
        called: what the run itself is called: its id, its name.
    """
    programs = [unchosen for known, unchosen in PROGRAMS if any(map(known.fullmatch, config))]
    settings: dict[str, Scalar] = {}
    rest: dict[str, Scalar] = {}
    for key, value in config.items():
        unchosen = _by_name(key, value, called) or any(pattern.fullmatch(key) for pattern in programs)
        (rest if unchosen else settings)[key] = value
    return settings, rest


def _by_name(key: str, value: Scalar, called: frozenset[str]) -> bool:
    last = re.split(r"[./]", key)[-1].lower().replace("-", "_")
    if last in MAY_BE_PATHS:
        return isinstance(value, str) and _PATH.fullmatch(value) is not None
    return last in NAMES or ((last in OWN_NAMES or key in ("name", "id")) and value in called)
