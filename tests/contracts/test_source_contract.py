"""What every source of runs must do: `SourceContract`. A new source inherits it and gives the fixture `source`.

Six runs are written once in each form; each source must give the same records, histories and notes, as far as its form
can hold them.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, cast

import pytest

from kag.api import Runs
from kag.errors import RecordError
from kag.names import ALL, SPLITS, Part
from kag.spec.flat import flat
from kag.spec.run import RunSpec
from kag.stats.scores import Scores
from kag.track.folder import RunFolder
from kag.track.record import Failure, RunRecord, Source, Status
from kag.track.result import Result
from kag.track.scores_file import packed
from kag.track.source import RunSource, open_source
from kag.track.stated import Stated
from kag.view.words import find_run
from tests.contracts.test_comparison_contract import ComparisonContract
from tests.track.made_scores import made_scores, same_scores

START = datetime(2025, 10, 17, 12, 48, 11, 250000, tzinfo=UTC)


DATA = "bb" * 32


class Run(NamedTuple):
    record: RunRecord
    history: list[dict[str, float]]
    notes: str


def rows(count: int) -> list[dict[str, float]]:
    return [
        {
            "epoch": e,
            "train/loss": 1 / (e + 3),
            "val/auprc": 0.3 - 0.01 * e,
            "lr": 1e-4 / 3,
            "context/norm_ratio": math.nan,
        }
        for e in range(count)
    ]


def run(number: int, name: str, status: Status, history: int, notes: str = "", **changes: Any) -> Run:
    start = START + timedelta(hours=number)
    spec = flat(
        RunSpec.model_validate({"name": name, "data": {"file": "sites.h5"}, "model": {"gate": {"temperature": 2.0}}})
    )
    values = {
        "id": f"{start:%Y-%m-%d_%H-%M-%S}_{name}",
        "name": name,
        "status": status,
        "start": start,
        "config": spec,
        "found": {"spec_digest": "5e" * 32},
        "epochs_trained": history,
        "wandb_id": f"abcd000{number}",
        **changes,
    }
    return Run(RunRecord.model_validate(values), rows(history), notes)


def delivered(value: float, weights: str = "aa") -> tuple[Result, ...]:
    digests = {"weights_digest": weights * 32, "data_digest": DATA}
    given = {"metric": "auprc", "ci_low": value - 0.1, "ci_high": value + 0.1, "weights": "raw", "epoch": 0, **digests}
    return tuple(
        Result.model_validate(
            {"split": split, "value": value / 3, "selected_on": "val/auprc", "delivered": True, **given}
        )
        for split in ("val", "test")
    )


RUNS = [
    run(
        0,
        "baseline",
        Status.FINISHED,
        4,
        "α settled | `near` 0.55\n",
        results=delivered(0.9),
        end=START,
        tags=("a", "b"),
        data_digest=DATA,
    ),
    run(
        1,
        "penalty",
        Status.EARLY_STOPPED,
        3,
        results=delivered(1.0, "cc"),
        parent="2025-10-17_12-48-11_baseline",
        data_digest=DATA,
    ),
    run(2, "broken", Status.ABORTED, 0, failure=Failure(error="TypeError", message="zeros_like", where="kag/a.py:7")),
    run(3, "blend", Status.FINISHED, 0, kind="blend", sources=(Source(run="x", ratio=0.5), Source(run="y", ratio=0.5))),
    run(4, "twin", Status.FINISHED, 1, results=delivered(0.9), data_digest=DATA),
    run(5, "cut-off", Status.RUNNING, 2),
]


KEPT: dict[tuple[str, Part], Scores] = {
    ("baseline", "val"): made_scores("val"),
    ("baseline", "test"): made_scores("test", seed=1),
    ("penalty", "val"): made_scores("val", other_logits=True, weights_digest="cc" * 32),
    ("blend", "val"): made_scores("val", seed=2),
    ("twin", "test"): made_scores("test", seed=1),
}
"""Scores of the runs that have any; those of a run that has lost its end are its own all the same."""

BROKEN = {("penalty", "test"): b"PK no more"}
"""Files that cannot be read."""

FILES = {key: packed(scores) for key, scores in KEPT.items()} | BROKEN


def lay(folder: Path, name: str) -> None:
    """Put the files of scores of a run into a folder of its files."""
    for (run, split), content in FILES.items():
        if run == name:
            (folder / "scores").mkdir(exist_ok=True, parents=True)
            (folder / "scores" / f"{split}.npz").write_bytes(content)


class WithScores:
    """Of sources that have a place for scores."""

    def test_python_has_the_same_runs(self, source: RunSource, expected: list[Run]) -> None:
        found = Runs("here", source)
        assert [run.record for run in found] == [run.record for run in expected]
        assert [as_text(run.history()) for run in found] == [as_text(run.history) for run in expected]
        assert list(found.frame().index) == [run.record.id for run in expected]

    @pytest.fixture
    def kept(self) -> Mapping[tuple[str, Part], Scores]:
        return KEPT

    @pytest.fixture
    def broken(self) -> Collection[tuple[str, Part]]:
        return BROKEN


class SourceContract(ComparisonContract):
    """Tests that every source passes."""

    @pytest.fixture
    def source(self) -> RunSource:
        raise NotImplementedError

    @pytest.fixture
    def expected(self) -> list[Run]:
        return RUNS

    def test_records_come_once_each_in_the_order_of_start(self, source: RunSource, expected: list[Run]) -> None:
        assert [record.id for record in source.records()] == [run.record.id for run in expected]

    def test_records_are_what_was_written(self, source: RunSource, expected: list[Run]) -> None:
        for record, run in zip(source.records(), expected, strict=True):
            assert record == run.record
            assert [(key, type(value)) for key, value in record.config.items()] == [
                (key, type(value)) for key, value in run.record.config.items()
            ]

    def test_histories_are_what_was_written(self, source: RunSource, expected: list[Run]) -> None:
        for run in expected:
            assert as_text(source.history(run.record.id)) == as_text(run.history)

    def test_notes_are_what_was_written(self, source: RunSource, expected: list[Run]) -> None:
        assert [source.notes(run.record.id) for run in expected] == [run.notes for run in expected]

    @pytest.fixture
    def kept(self) -> Mapping[tuple[str, Part], Scores]:
        """What was kept of scores, by run and split; the default is of a source that has no place for them."""
        return {}

    def test_scores_are_what_was_written(
        self, source: RunSource, expected: list[Run], kept: Mapping[tuple[str, Part], Scores]
    ) -> None:
        splits: tuple[Part, ...] = (*SPLITS, ALL)
        for name, split in [(run.record.name, split) for run in expected for split in splits]:
            run_id = next(run.record.id for run in expected if run.record.name == name)
            if (name, split) in BROKEN and kept:
                with pytest.raises(RecordError, match="no npz file"):
                    source.scores(run_id, split)
            else:
                found, wanted = source.scores(run_id, split), kept.get((name, split))
                assert found is wanted is None or same_scores(found, wanted), (name, split)

    def test_reading_again_gives_the_same(self, source: RunSource) -> None:
        assert list(source.records()) == list(source.records())

    @pytest.mark.parametrize("unknown", ["", "no-such-run", "..", "2025"])
    def test_an_unknown_run_is_an_error(self, source: RunSource, unknown: str) -> None:
        with pytest.raises(RecordError, match="no run"):
            source.history(unknown)
        with pytest.raises(RecordError, match="no run"):
            source.notes(unknown)
        with pytest.raises(RecordError, match="no run"):
            source.scores(unknown, "val")


def as_text(history: list[dict[str, float]]) -> list[dict[str, str]]:
    """Rows that compare bit for bit; NaN equals NaN."""
    return [{key: float(value).hex() for key, value in sorted(row.items())} for row in history]


class TestFolders(WithScores, SourceContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> RunSource:
        for run in reversed(RUNS):
            folder = RunFolder.create(tmp_path, run.record.name, run.record.start)
            folder.write_record(run.record)
            for row in run.history:
                folder.append_history(row)
            if run.notes:
                folder.notes_file.write_text(run.notes)
            lay(folder.path, run.record.name)
        (tmp_path / "specs").mkdir()
        (tmp_path / "2025-10-17_12-48-11_no-record-yet").mkdir()
        return open_source(str(tmp_path))

    def test_a_changed_record_is_read_again(self, source: RunSource, tmp_path: Path) -> None:
        before = list(source.records())
        folder = find_run(tmp_path, "cut-off")
        folder.write_record(before[-1].model_copy(update={"status": Status.KILLED}))
        assert [record.status for record in source.records()] == [*(r.status for r in before[:-1]), Status.KILLED]


_WRITE = """
import json, sys, wandb
quiet = dict(console="off", silent=True, disable_git=True, disable_code=True, x_disable_stats=True, x_disable_meta=True)
for run in json.load(sys.stdin):
    live = wandb.init(mode="offline", settings=wandb.Settings(**quiet), **run["init"])
    live.define_metric("epoch")
    live.define_metric("*", step_metric="epoch")
    for row in run["rows"]:
        live.log(row)
    live.summary.update(run["summary"])
    live.save(run["files"] + "/scores/*", base_path=run["files"], policy="now")
    live.finish(exit_code=run["exit"])
"""


def begun(record: RunRecord) -> RunRecord:
    return record.model_copy(
        update={"status": Status.RUNNING, "end": None, "results": (), "failure": None, "epochs_trained": 0}
    )


def logged(run: Run) -> list[dict[str, float]]:
    """What kag logs: the epochs, then the delivered results."""
    closing = {f"{r.split}/{r.metric}": r.value for r in run.record.results}
    return [*run.history, *([{"epoch": float(run.record.epochs_trained - 1), **closing}] if closing else [])]


def config(run: Run) -> dict[str, Any]:
    return {**run.record.config, "kag.record": begun(run.record).model_dump_json()}


def summary(run: Run) -> dict[str, str]:
    return {} if run.record.status is Status.RUNNING else {"kag/record": run.record.model_dump_json()}


def as_wandb_writes_it(run: Run, folder: Path) -> dict[str, Any]:
    record = run.record
    files = folder / "saved" / record.name
    lay(files, record.name)
    init = {"id": record.wandb_id, "project": "kag", "name": record.id, "notes": run.notes, "config": config(run)}
    return {
        "init": {**init, "tags": list(record.tags), "dir": str(folder)},
        "rows": logged(run),
        "files": str(files),
        "summary": summary(run),
        "exit": 0 if record.status.done else 1,
    }


@pytest.fixture(scope="module")
def offline_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs as W&B itself writes them; the last one lost its end."""
    folder = tmp_path_factory.mktemp("offline")
    environment = {**os.environ, "WANDB_CACHE_DIR": str(folder / "cache"), "WANDB_CONFIG_DIR": str(folder / "config")}
    typed = json.dumps([as_wandb_writes_it(run, folder) for run in RUNS])
    subprocess.run([sys.executable, "-c", _WRITE], input=typed, text=True, check=True, env=environment)
    (cut_off,) = folder.rglob("run-abcd0005.wandb")
    os.truncate(cut_off, cut_off.stat().st_size - 3)
    return folder


class TestOffline(WithScores, SourceContract):
    @pytest.fixture
    def source(self, offline_folder: Path) -> RunSource:
        return open_source(f"offline:{offline_folder}")

    def test_reading_changes_no_file(self, offline_folder: Path) -> None:
        before = {path: path.stat().st_mtime_ns for path in offline_folder.rglob("*")}
        source = open_source(f"offline:{offline_folder}")
        for record in source.records():
            source.history(record.id)
        assert {path: path.stat().st_mtime_ns for path in offline_folder.rglob("*")} == before


def node(run: Run) -> dict[str, Any]:
    """A run as W&B's server answers it."""
    record = run.record
    values = {key: {"value": value} for key, value in config(run).items()}
    last = {key: "NaN" if math.isnan(value) else value for row in logged(run) for key, value in row.items()}
    states = {Status.ABORTED: "failed", Status.RUNNING: "running"}
    plain = dict.fromkeys(("group", "jobType", "commit", "sweepName", "description", "heartbeatAt"))
    return plain | {
        "id": record.wandb_id,
        "projectId": "1",
        "name": record.wandb_id,
        "displayName": record.id,
        "state": states.get(record.status, "finished"),
        "config": json.dumps({**values, "_wandb": {"value": {"t": {}}}}),
        "summaryMetrics": json.dumps({**last, **summary(run), "_wandb": {"runtime": 3}}),
        "systemMetrics": "{}",
        "tags": list(record.tags),
        "notes": run.notes or None,
        "createdAt": f"{record.start:%Y-%m-%dT%H:%M:%SZ}",
        "historyLineCount": len(logged(run)),
        "historyKeys": {"lastStep": len(logged(run)) - 1, "keys": {}},
        "readOnly": False,
        "user": {"name": "a", "username": "a"},
    }


def answer(operation: str, variables: dict[str, Any]) -> dict[str, Any] | None:
    if operation in ("Viewer", "GetDefaultEntity"):
        return {
            "viewer": {"id": "1", "entity": "lab", "username": "a", "email": "", "flags": "{}", "teams": {"edges": []}}
        }
    if operation == "Runs":
        return {"project": page(int(variables["cursor"] or 0)) if variables["project"] == "kag" else None}
    if operation == "RunsWithFiles":
        edges = [{"node": {"name": run.record.wandb_id, "files": files_of(run, variables)["files"]}} for run in RUNS]
        return {"project": {"page": {"edges": edges, "pageInfo": {"endCursor": None, "hasNextPage": False}}}}
    found = next(run for run in RUNS if run.record.wandb_id in variables.values())
    if operation == "RunFiles":
        return {"project": {"internalId": "1", "run": files_of(found, variables)}}
    if operation == "RunHistoryKeys":
        return {"project": {"run": {"historyKeys": node(found)["historyKeys"]}}}
    if operation == "RunParquetHistory":
        return {"project": {"run": {"parquetHistory": {"parquetUrls": [], "liveData": []}}}}
    lines = [json.dumps({**row, "_step": step}).replace("NaN", '"NaN"') for step, row in enumerate(logged(found))]
    return {"project": {"run": {"history": lines[variables["minStep"] : variables["maxStep"]]}}}


def files_of(run: Run, variables: dict[str, Any]) -> dict[str, Any]:
    """The files of a run, and one of no size for each name that there is none of, as some servers answer."""
    name = run.record.name
    there = {f"scores/{split}.npz": content for (of, split), content in FILES.items() if of == name}
    edges = [
        {"cursor": asked, "node": file_node(f"{name}/{asked}", asked, there.get(asked, b""))}
        for asked in variables.get("fileNames") or variables["names"]
    ]
    pages = {"endCursor": None, "hasNextPage": False}
    return {"fileCount": len(edges), "files": {"edges": edges, "pageInfo": pages}}


def file_node(path: str, name: str, content: bytes) -> dict[str, Any]:
    address = f"{os.environ['WANDB_BASE_URL']}/files/{path}"
    node = {"id": path, "name": name, "url": address, "directUrl": address, "mimetype": "application/octet-stream"}
    return node | {"sizeBytes": len(content), "updatedAt": None, "md5": ""}


def page(first: int) -> dict[str, Any]:
    """Two runs a page, so that the client has to turn pages."""
    edges = [{"node": node(run), "cursor": str(first + i + 1)} for i, run in enumerate(RUNS[first : first + 2])]
    more = {"endCursor": str(first + 2), "hasNextPage": first + 2 < len(RUNS)}
    return {"internalId": "1", "runCount": len(RUNS), "readOnly": False, "runs": {"edges": edges, "pageInfo": more}}


class Handler(BaseHTTPRequestHandler):
    """GraphQL as far as the client's `Api` asks for runs."""

    operations: ClassVar[list[str]] = []
    """What was asked, in order."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        _, _, run, _, file = self.path.split("/")
        content = FILES[run, cast(Part, file.removesuffix(".npz"))]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        reply = b"{}"
        if self.path == "/graphql":
            asked = json.loads(body)
            operation = re.search(r"query\s+(\w+)", asked["query"])
            assert operation is not None
            self.operations.append(operation[1])
            reply = json.dumps({"data": answer(operation[1], asked.get("variables") or {})}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to the console."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


@pytest.fixture
def server(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A W&B server as the client sees it; the client keeps its settings, so it starts anew before and after."""
    import wandb

    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_BASE_URL", address)
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    wandb.teardown()
    yield address
    wandb.teardown()


class TestProject(WithScores, SourceContract):
    @pytest.fixture
    def source(self, server: str) -> RunSource:
        return open_source("wandb:lab/kag")

    def test_the_entity_may_be_the_keys_own(self, server: str) -> None:
        assert [record.id for record in open_source("wandb:kag").records()] == [run.record.id for run in RUNS]

    def test_a_run_without_scores_is_not_asked_for_them(self, source: RunSource) -> None:
        records = list(source.records())
        Handler.operations.clear()
        for record in records:
            for split in SPLITS:
                with contextlib.suppress(RecordError):
                    source.scores(record.id, split)
        with_some = len({name for name, _ in FILES})
        assert Handler.operations == ["RunsWithFiles", *["RunFiles"] * with_some]
        assert with_some < len(records)

    def test_an_unknown_project_is_an_error_that_names_it(self, server: str) -> None:
        with pytest.raises(RecordError, match="wandb:lab/none: W&B does not give the runs"):
            list(open_source("wandb:lab/none").records())


class TestMarkdown(SourceContract):
    TABLE = """# Log

| Date & Run | Key Changes | Files Touched | Val AUPRC | Test AUPRC / Notes |
|---|---|---|---|---|
| 2025-10-18 - `swa_2025-10-18_09-00-00.log` | averaged | - | **0.313** (peak) | 0.414; drifts |
| 2025-10-17 - `base_2025-10-17_08-00-00.log` | first | `a.py`, `b.py` | 0.3 | - |
"""

    @pytest.fixture
    def source(self, tmp_path: Path) -> RunSource:
        (tmp_path / "log.md").write_text(self.TABLE)
        return open_source(f"markdown:{tmp_path / 'log.md'}")

    @pytest.fixture
    def expected(self) -> list[Run]:
        columns = ("Date & Run", "Key Changes", "Files Touched", "Val AUPRC", "Test AUPRC / Notes")
        lines = self.TABLE.splitlines()[4:]
        cells = [dict(zip(columns, [cell.strip() for cell in line.split("|")[1:-1]], strict=True)) for line in lines]
        stated = {"metric": "auprc", "weights": None}
        base = RunRecord(
            id="2025-10-17_08-00-00_base",
            name="base",
            kind="imported",
            status=Status.FINISHED,
            start=datetime(2025, 10, 17, 8, tzinfo=UTC),
            change="first",
            results=(Result.model_validate({"split": "val", "value": 0.3, **stated}),),
            stated=Stated(cells=cells[1], files_touched=("a.py", "b.py"), row=2, start_known_to="second"),
        )
        values = {
            "id": "2025-10-18_09-00-00_swa",
            "name": "swa",
            "start": datetime(2025, 10, 18, 9, tzinfo=UTC),
            "change": "averaged",
            "results": tuple(
                Result.model_validate({"split": split, "value": value, **stated})
                for split, value in (("val", 0.313), ("test", 0.414))
            ),
            "stated": Stated(cells=cells[0], row=1, start_known_to="second"),
        }
        return [Run(base, [], ""), Run(base.model_copy(update=values), [], "drifts")]


@pytest.mark.parametrize(
    "word", ["no-such-folder", "offline:no-such-folder", "markdown:no-such-file.md", "wandb:a/b/c", "wandb:", "s3:x"]
)
def test_a_word_that_names_no_source_is_an_error(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecordError):
        list(open_source(word).records())
