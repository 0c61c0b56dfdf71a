"""The change log of the same five real runs, from their folders, their offline W&B files, and over the W&B Api."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import wandb

from kag.cli.windows import windows
from kag.track.offline import OfflineSource
from kag.view.words import find_run
from tests.changelog.real_chain import NAMES
from tests.changelog.run_logs import parsed

KAG = "from kag.cli.main import main; main()"

SCORES = """
import hashlib, json, sys
from kag.track.source import open_source

def told(scores):
    return scores and [scores.weights_digest, scores.examples_digest, hashlib.sha256(scores.value_N).hexdigest()]

source = open_source(sys.argv[1])
splits = ("val", "test")
print(json.dumps({one.name: [told(source.scores(one.id, split)) for split in splits] for one in source.records()}))
"""


@pytest.fixture
def sources(chain: Path, client: Any, project: str) -> Mapping[str, str]:
    """Kind -> what `--source` takes. The W&B files lie by themselves, the server has what `wandb sync` sent."""
    files = client.folder / "files"
    for folder in chain.glob("*/wandb/offline-run-*"):
        shutil.copytree(folder, files / folder.name)
    client.wandb("sync", "--entity", "kag", "--project", project, *map(str, sorted(files.iterdir())))
    return {"folders": str(chain), "offline": f"offline:{files}", "api": f"wandb:kag/{project}"}


def changelog(client: Any, source: str, form: str) -> str:
    """What `kag changelog` writes of a source."""
    file: Path = client.folder / f"{source.partition(':')[0].rpartition('/')[2]}.{form}"
    client.run(sys.executable, "-c", KAG, "changelog", "--source", source, "--format", form, "--write", str(file))
    return file.read_text(encoding="utf-8")


@pytest.mark.slow(15, "one change log from folders, offline files and the Api, of real runs")
def test_three_sources_give_one_table(client: Any, sources: Mapping[str, str]) -> None:
    tables = {kind: parsed(changelog(client, source, "markdown")).tables[0] for kind, source in sources.items()}
    plain = {kind: json.loads(changelog(client, source, "json")) for kind, source in sources.items()}
    header, *rows = tables["folders"]
    assert [row[0].rpartition("_")[2].partition("<")[0] for row in rows] == list(NAMES)
    for kind in ("offline", "api"):
        assert tables[kind][0] == header
        for name, found, expected in zip(NAMES, tables[kind][1:], rows, strict=True):
            assert found == expected, f"{name} from {kind}"
        assert plain[kind] == plain["folders"], "nor do the numbers behind the cells differ, nor what the rules say"
    scores = {kind: client.python(SCORES, source) for kind, source in sources.items()}
    assert {name for name, splits in scores["folders"].items() if all(splits)} == {*NAMES} - {"broken"}
    assert scores["folders"] == scores["offline"] == scores["api"], "nor what was scored on each point"


@pytest.mark.slow(10, "what `kag windows` delivers is in the mirror as in the folder")
def test_a_delivered_window_is_mirrored_as_its_run_is(chain: Path, tmp_path: Path) -> None:
    (parent,) = chain.glob("*_swa")
    shutil.copytree(parent, tmp_path / parent.name, ignore=shutil.ignore_patterns("wandb"))
    windows("swa", deliver="5:2", verify=1, png=None, name=None, data=None, runs=tmp_path, as_json=True)
    wandb.teardown()
    (mirrored,) = OfflineSource(tmp_path).records()
    assert mirrored == find_run(tmp_path, "window-5-2").read_record()
    assert mirrored.wandb_id is not None
