"""The Kubernetes Job of a sweep, against the published schema and the images and volumes that docker/ has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from kag.fleet.manifest import HOME, IMAGE, Cluster, manifest
from kag.fleet.shape import Shape

HERE = Path(__file__).parent
SCHEMA = json.loads((HERE / "job-batch-v1.json").read_text(encoding="utf-8"))
COMPOSE = yaml.safe_load((HERE.parents[1] / "docker" / "compose.yaml").read_text(encoding="utf-8"))


def made(*, own: bool = True, **shape: Any) -> dict[str, Any]:
    job = manifest("team/sites/1A2b3c4d", "https://t.example.org", Shape(**{"agents": 3, **shape}), Cluster(), own=own)
    read: dict[str, Any] = yaml.safe_load(yaml.safe_dump(job))
    return read


def pod(job: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = job["spec"]["template"]["spec"]
    return found


@pytest.mark.parametrize("shape", [{}, {"gpus": 2}, {"agents": 1, "cpus": 8}])
@pytest.mark.parametrize("own", [True, False])
def test_the_job_is_one_by_the_published_schema(shape: dict[str, Any], own: bool) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(made(own=own, **shape))


@pytest.mark.parametrize("wrong", ["completion", "backoffLimitPerindex"])
def test_the_schema_would_refuse_a_key_that_kubernetes_does_not_know(wrong: str) -> None:
    job = made()
    job["spec"][wrong] = 3
    with pytest.raises(jsonschema.ValidationError, match=wrong):
        jsonschema.Draft202012Validator(SCHEMA).validate(job)


def test_each_agent_is_an_index_with_retries_of_its_own_and_time_to_save() -> None:
    job = made(agents=5, gpus=2)
    spec = job["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 5, 5)
    assert spec["backoffLimitPerIndex"] > 0
    assert pod(job)["restartPolicy"] == "Never", "Kubernetes wants it of a Job whose indices have limits of their own"
    assert pod(job)["terminationGracePeriodSeconds"] >= 180
    assert pod(job)["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert job["metadata"]["name"] == "kag-1a2b3c4d", "names are in lower case"


def test_the_key_comes_from_a_secret_and_stands_nowhere() -> None:
    (container,) = pod(made())["containers"]
    keys = [one for one in container["env"] if one["name"] == "WANDB_API_KEY"]
    assert keys == [{"name": "WANDB_API_KEY", "valueFrom": {"secretKeyRef": {"name": "kag", "key": "WANDB_API_KEY"}}}]


def test_image_and_places_are_those_of_the_compose_file() -> None:
    agent = COMPOSE["services"]["agent"]
    (container,) = pod(made())["containers"]
    assert container["image"] == agent["image"] == IMAGE
    inside = {volume.split(":")[1 if not volume.startswith("$") else -2] for volume in agent["volumes"]}
    assert {f"{HOME}/runs", "/data"} <= inside
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {f"{HOME}/runs", "/data", "/tmp"}
    named = {volume["name"] for volume in pod(made())["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == named


def test_an_agent_of_another_program_hands_signals_on_to_its_trial() -> None:
    assert pod(made(own=True))["containers"][0]["command"][:3] == ["kag", "agent", "team/sites/1A2b3c4d"]
    assert "--forward-signals" in pod(made(own=False))["containers"][0]["command"]
