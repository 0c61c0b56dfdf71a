"""The agents of a sweep as a Kubernetes Job, of plain data.

Indexed, so that each agent has retries of its own (`backoffLimitPerIndex`, Kubernetes 1.29 and later), and one that a
drained node has taken away costs none of them. Paths are those of `docker/compose.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from kag.fleet.shape import GRACE_SECONDS, PATIENCE, Shape, agent_words

IMAGE = "kag-train"
"""What `docker/Dockerfile` builds for agents."""

HOME = "/home/kag"
"""Working directory of the image."""

RETRIES = 6
"""Pods that each agent may lose; a trial that fails ends no agent."""


class Cluster(NamedTuple):
    """What of the cluster the Job uses."""

    image: str = IMAGE
    secret: str = "kag"
    """Secret with the key `WANDB_API_KEY`."""
    runs: str = "kag-runs"
    """PersistentVolumeClaim of run folders, which several nodes may write."""
    data: str = "kag-data"
    """PersistentVolumeClaim of data files."""
    memory: str = "8Gi"


def manifest(path: str, url: str, shape: Shape, cluster: Cluster, *, own: bool) -> dict[str, Any]:
    """The Job.

    Args:
        path: of the sweep, `entity/project/id`.
        url: of the server, as pods reach it.
        shape: of the agents.
        cluster: image, secret and volumes.
        own: whether the trials are kag's own.
    """
    name = f"kag-{path.rsplit('/', 1)[-1].lower()}"
    labels = {"app.kubernetes.io/name": "kag-agent", "app.kubernetes.io/instance": name}
    pod = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "containers": [_container(agent_words(path, f"{HOME}/runs", own=own), url, shape, cluster)],
        "volumes": [
            {"name": "runs", "persistentVolumeClaim": {"claimName": cluster.runs}},
            {"name": "data", "persistentVolumeClaim": {"claimName": cluster.data, "readOnly": True}},
            {"name": "scratch", "emptyDir": {}},
        ],
    }
    disrupted = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "completionMode": "Indexed",
            "completions": shape.agents,
            "parallelism": shape.agents,
            "backoffLimitPerIndex": RETRIES,
            "podFailurePolicy": {"rules": [disrupted]},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _container(words: list[str], url: str, shape: Shape, cluster: Cluster) -> dict[str, Any]:
    plain: Mapping[str, str] = {
        "WANDB_BASE_URL": url,
        "WANDB_DIR": "/tmp",
        "OMP_NUM_THREADS": str(shape.cpus),
        **PATIENCE,
    }
    key = {"name": "WANDB_API_KEY", "valueFrom": {"secretKeyRef": {"name": cluster.secret, "key": "WANDB_API_KEY"}}}
    needs = {"cpu": str(shape.cpus), "memory": cluster.memory}
    devices = {"nvidia.com/gpu": str(shape.gpus)} if shape.gpus else {}
    return {
        "name": "agent",
        "image": cluster.image,
        "command": words,
        "workingDir": HOME,
        "env": [key, *({"name": name, "value": value} for name, value in plain.items())],
        "resources": {"requests": {**needs, **devices}, "limits": {"memory": cluster.memory, **devices}},
        "volumeMounts": [
            {"name": "runs", "mountPath": f"{HOME}/runs"},
            {"name": "data", "mountPath": "/data", "readOnly": True},
            {"name": "scratch", "mountPath": "/tmp"},
        ],
    }
