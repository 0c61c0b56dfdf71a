"""One folder, two hosts, no locks: a run is trained by one of them, and each knows what has become of the other's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import warm
from tests.conftest import ROOT


def namespaces() -> bool:
    """Whether this machine lets this process make hosts."""
    if os.geteuid() or shutil.which("unshare") is None:
        return False
    words = ["unshare", "--net", "--uts", "--pid", "--mount", "--fork", "--mount-proc", "true"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def found(synthetic_file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if not namespaces():
        pytest.skip("hosts are made of namespaces, by root")
    folder = tmp_path_factory.mktemp("hosts")
    words = [sys.executable, "-m", "tests.train.two_hosts_driver", str(synthetic_file), str(folder)]
    done = warm.run(words, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-2000:]
    cases: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert cases["powerless"], "two processes must hold one exclusive lock, else nothing here proves anything"
    return cases


def test_a_run_that_is_trained_on_one_host_is_refused_on_the_other(found: dict[str, Any]) -> None:
    ((kind, error, message),) = found["killed"]["beside it"]
    assert (kind, error) == ("error", "RecordError")
    assert "is being trained by another process on hA, whose last sign of life came at" in message
    assert found["killed"]["alive"] == [["running", ""]]


def test_a_run_that_was_killed_on_one_host_is_seen_on_the_other_which_goes_on(found: dict[str, Any]) -> None:
    case = found["killed"]
    assert case["just killed"] == [["running", ""]], "it may only be slow"
    ((status, silent),) = case["silent"]
    assert status == "killed"
    assert silent.startswith("no sign of life since 20")
    assert silent.endswith(" UTC on hA")
    assert case["goes on"] == [["epoch", 2], ["epoch", 3], ["ended", "finished"]]
    assert (case["status"], case["epochs"], case["hosts"]) == ("finished", [0, 1, 2, 3], ["hB"])
    assert (case["attempts"], case["owned"]) == (2, False)


def test_a_trainer_that_slept_for_too_long_writes_nothing_any_more(found: dict[str, Any]) -> None:
    case = found["asleep"]
    assert case["second"][-1] == ["ended", "finished"]
    assert case["first"][-1][:2] == ["error", "TakenOver"]
    assert case["after"] == case["before"]
    assert case["after"]["epochs"] == [0, 1, 2, 3]


def test_two_containers_of_one_name_train_common_epochs_once(found: dict[str, Any]) -> None:
    first, second = found["forks"]["first"], found["forks"]["second"]
    assert [told[-1][0] for told in (first, second)] == ["ended", "ended"]
    trained = sorted(epoch for what, epoch, *_ in (*first, *second) if what == "epoch")
    assert trained[:3] == [0, 1, 2]
    # Epoch 3 has one state for both as well, which the second one finds if it looks late enough.
    assert trained[3:] in ([3, 3, 4], [3, 4])
