from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kag.cli import tables
from kag.cli.runs import app
from kag.errors import RecordError, UserError
from kag.spec.flat import flat
from kag.spec.run import RunSpec
from kag.track.folder import RunFolder
from kag.track.record import RunRecord

START = datetime(2025, 10, 16, 9, 4, 10, tzinfo=UTC)
DIGEST = "5e" * 32
BASE = flat(RunSpec.model_validate({"name": "oct16", "data": {"file": "sites.h5"}}))


def made(runs: Path, name: str, day: int, **changes: object) -> RunFolder:
    start = START + timedelta(days=day)
    folder = RunFolder.create(runs, name, start)
    config = {**BASE, "name": name, **changes.pop("config", {})}  # type: ignore[dict-item]
    values = {"id": folder.id, "name": name, "status": "finished", "start": start, "config": config, **changes}
    folder.write_record(RunRecord.model_validate(values))
    return folder


def auprc(split: str, value: float, *, delivered: bool = True) -> dict[str, object]:
    return {
        "split": split,
        "metric": "auprc",
        "value": value,
        "ci_low": value - 0.02,
        "ci_high": value + 0.02,
        "weights": "raw",
        "weights_digest": DIGEST,
        "epoch": 9,
        "selected_on": "val/auprc",
        "delivered": delivered,
    }


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    runs = tmp_path / "runs"
    results = [auprc("val", 0.2984), auprc("test", 0.428), auprc("test", 0.999, delivered=False)]
    folder = made(runs, "oct16", 0, results=results, best_epoch=9, epochs_trained=12, tags=["gate", "[b]x[/b]"])
    for epoch in range(3):
        folder.append_history({"epoch": epoch, "val/auprc": epoch / 10, "lr": float("nan")})
    folder.notes_file.write_text("α settled [near] 0.55\n")
    made(
        runs,
        "oct17",
        1,
        parent=folder.id,
        status="aborted",
        config={"model.gate.temperature": 2.0, "swa": None},
        failure={"error": "TypeError", "message": "zeros_like [3]", "where": "kag/model/gate.py:7"},
        sources=[{"run": folder.id, "checkpoint": "best", "weights_digest": DIGEST, "ratio": 0.5}],
        found={"findings": [{"code": "no_effect", "severity": "warning", "sentence": "swa.lr [x] does nothing"}]},
        tags=["swa"],
    )
    (runs / "specs").mkdir()
    return runs


def run(runs: Path, *words: str) -> Result:
    result = CliRunner().invoke(app, [*words, "--runs", str(runs)], catch_exceptions=True)
    if result.exception and not isinstance(result.exception, (SystemExit, RecordError)):
        raise result.exception
    return result


def test_list_shows_a_run_a_line_with_the_delivered_weights_results(runs: Path) -> None:
    header, first, second = run(runs, "list").stdout.splitlines()
    assert header.split() == [
        "run",
        "status",
        "epochs",
        "best",
        "epoch",
        "val",
        "AUPRC",
        "test",
        "AUPRC",
        "parent",
        "tags",
    ]
    assert first.rstrip().endswith(
        "0.298 [0.278, 0.318]  0.428 [0.408, 0.448]  -                          gate, [b]x[/b]"
    )
    assert first.startswith("2025-10-16_09-04-10_oct16  finished      12           9")
    assert second.split() == [
        "2025-10-17_09-04-10_oct17",
        "aborted",
        "-",
        "-",
        "-",
        "-",
        "2025-10-16_09-04-10_oct16",
        "swa",
    ]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], ["oct16", "oct17"]),
        (["--status", "aborted"], ["oct17"]),
        (["--status", "aborted", "--status", "finished"], ["oct16", "oct17"]),
        (["--tag", "gate"], ["oct16"]),
        (["--tag", "gate", "--tag", "swa"], []),
        (["--name", "*17"], ["oct17"]),
        (["--last", "1"], ["oct17"]),
    ],
)
def test_list_filters(runs: Path, words: list[str], names: list[str]) -> None:
    records = json.loads(run(runs, "list", "--json", *words).stdout)
    assert [record["name"] for record in records] == names
    assert all(RunRecord.model_validate(record) for record in records)


def test_a_long_list_says_what_it_leaves_out(runs: Path) -> None:
    result = run(runs, "list", "--last", "1")
    assert "2025-10-17_09-04-10_oct17" in result.stdout
    assert not result.stdout.startswith("2025-10-16")
    assert result.stderr == "the newest 1 of 2; --last 0 shows all\n"


def test_list_of_nothing_says_so(runs: Path, tmp_path: Path) -> None:
    assert "no such run" in run(runs, "list", "--name", "x").stdout
    (tmp_path / "empty").mkdir()
    assert "no runs in" in run(tmp_path / "empty", "list").stdout
    assert isinstance(run(tmp_path / "none", "list").exception, RecordError)


def test_a_broken_record_hides_no_other(runs: Path) -> None:
    broken = made(runs, "oct18", 2).record_file
    broken.write_text(broken.read_text()[:50])
    result = run(runs, "list")
    assert (result.exit_code, "oct16" in result.stdout) == (0, True)
    assert f"left out: {broken}:" in result.stderr


def test_show_has_everything(runs: Path) -> None:
    page = run(runs, "show", "oct16").stdout
    for part in ("0.298 [0.278, 0.318]", "raw delivered", "5e5e5e5e5e5e", "α settled [near] 0.55", "▁▅█"):
        assert part in page
    assert "Settings" not in page
    page = run(runs, "show", "oct17").stdout
    settings = page.split("Settings beside the defaults\n")[1].split("\n\n")[0]
    assert settings.split() == ["setting", "default", "this", "run", "model.gate.temperature", "1.5", "2"]
    for part in ("TypeError: zeros_like [3] (kag/model/gate.py:7)", "best, 5e5e5e5e5e5e, share 0.5"):
        assert part in page
    assert ["warning", "no_effect", "swa.lr", "[x]", "does", "nothing"] in [line.split() for line in page.splitlines()]
    assert "Found by kag" not in page


def test_show_as_json(runs: Path) -> None:
    page = json.loads(run(runs, "show", "oct16", "--json").stdout)
    assert page["record"]["name"] == "oct16"
    assert page["history"][2] == {"epoch": 2, "val/auprc": 0.2, "lr": None}
    assert page["notes"] == "α settled [near] 0.55\n"


def test_compare_shows_what_differs(runs: Path) -> None:
    verdict, _, *told = run(runs, "compare", "oct16", "oct17").stdout.splitlines()
    assert verdict.startswith(
        "no verdict: 2025-10-17_09-04-10_oct17 has no val AUPRC; 2025-10-17_09-04-10_oct17 is aborted"
    )
    lines = [line.split() for line in told]
    assert lines[0] == ["setting", "2025-10-16_09-04-10_oct16", "2025-10-17_09-04-10_oct17"]
    assert ["model.gate.temperature", "1.5", "2"] in lines
    assert ["val/auprc", "0.298", "[0.278,", "0.318]", "-"] in lines
    assert not any(line[0].startswith("optimizer") for line in lines)
    page = json.loads(run(runs, "compare", "oct16", "oct17", "oct16", "--json").stdout)
    assert page["settings"]["model.gate.temperature"] == [1.5, 2.0, 1.5]
    assert page["results"]["test/auprc"][0]["value"] == 0.428
    assert page["results"]["test/auprc"][1] is None


def test_compare_says_why_numbers_must_not_be_set_side_by_side(runs: Path) -> None:
    toy, real = (made(runs, name, 5, data_digest=letter * 64) for name, letter in (("toy", "a"), ("real", "b")))
    why = f"{toy.id} and {real.id} are on different data (aaaaaaaaaaaa, bbbbbbbbbbbb)"
    assert run(runs, "compare", "toy", "real").stdout.startswith(f"not comparable: {why}\n"), "above the numbers"
    page = json.loads(run(runs, "compare", "toy", "real", "--json").stdout)
    assert page["not_comparable"] == page["verdicts"][0]["reasons"] == [why]
    assert "not comparable" not in run(runs, "compare", "oct16", "oct17").stdout


def test_compare_has_a_verdict_on_each_run_against_the_first(runs: Path) -> None:
    for name, value in (("low", 0.2), ("high", 0.5)):
        made(runs, name, 5, results=[{**auprc("val", value), "weights_digest": name * 16}], data_digest="a" * 64)
    low, high = "2025-10-21_09-04-10_low", "2025-10-21_09-04-10_high"
    made(runs, "real", 6, results=[auprc("val", 0.9)], data_digest="b" * 64)
    first, second, blank, *_ = run(runs, "compare", "low", "high", "latest").stdout.splitlines()
    assert first.startswith(
        f"{high} has the higher val AUPRC: 0.500 [0.480, 0.520] against 0.200 [0.180, 0.220], by 0.3;"
    )
    assert (second.startswith("not comparable: "), blank) == (True, "")
    verdicts = json.loads(run(runs, "compare", "low", "high", "latest", "--json").stdout)["verdicts"]
    assert [(one["runs"][0], one["comparable"], one["higher"]) for one in verdicts] == [
        (low, True, high),
        (low, False, None),
    ]


def test_compare_needs_two(runs: Path) -> None:
    assert run(runs, "compare", "oct16").exit_code == 2


SORTED = [
    ("val AUPRC", ["c", "b", "a", "d"]),
    ("val_auprc:asc", ["a", "b", "c", "d"]),
    ("VAL/AUPRC:desc", ["c", "b", "a", "d"]),
    ("val/bce", ["b", "a", "c", "d"]),
    ("name:desc", ["d", "c", "b", "a"]),
    ("start", ["d", "c", "b", "a"]),
    ("epochs", ["a", "c", "b", "d"]),
]


@pytest.fixture
def sortable(tmp_path: Path) -> Path:
    """Four runs, a day apart; of the last one nothing is known."""
    for day, (name, value, bce, epochs) in enumerate((("a", 0.1, 0.5, 9), ("b", 0.2, 0.4, 2), ("c", 0.3, 0.6, 7))):
        loss = {**auprc("val", bce), "metric": "bce"}
        made(tmp_path, name, day, results=[auprc("val", value), loss], epochs_trained=epochs, data_digest="a" * 64)
    made(tmp_path, "d", 3, results=[auprc("val", float("nan"))], sweep="s1", data_digest="a" * 64)
    return tmp_path


@pytest.mark.parametrize(("column", "names"), SORTED)
def test_a_list_is_sorted_the_best_first_and_what_is_missing_last(
    sortable: Path, column: str, names: list[str]
) -> None:
    found = json.loads(run(sortable, "list", "--json", "--sort", column).stdout)
    assert [record["name"] for record in found] == names
    best = run(sortable, "list", "--sort", column, "--limit", "2")
    assert [line.split()[0][-1] for line in best.stdout.splitlines()[1:]] == names[:2]
    assert "the first 2 of 4 by " in best.stderr


@pytest.mark.parametrize(
    ("word", "nearest"), [("val_auprx", "val AUPRC"), ("epoch", "epochs"), ("status:up", "status")]
)
def test_a_column_that_is_none_is_named_with_the_nearest(sortable: Path, word: str, nearest: str) -> None:
    with pytest.raises(UserError, match="there is no column") as caught:
        run(sortable, "list", "--sort", word)
    assert nearest in str(caught.value.nearest)


def test_an_order_by_a_metric_says_what_is_not_comparable(sortable: Path) -> None:
    assert run(sortable, "list", "--sort", "val/auprc").stderr == ""
    made(sortable, "other", 9, results=[auprc("val", 0.9)], data_digest="b" * 64)
    assert "not comparable: " in run(sortable, "list", "--sort", "val/auprc").stderr
    assert run(sortable, "list", "--sort", "start").stderr == ""


@pytest.mark.parametrize(
    ("zone", "words", "names", "said"),
    [
        (
            "Pacific/Honolulu",
            ("--since", "2025-10-17"),
            "cd",
            "2025-10-17 or later, days in local time: HST (UTC-10:00)",
        ),
        (
            "Pacific/Honolulu",
            ("--until", "2025-10-15"),
            "a",
            "2025-10-15 or before, days in local time: HST (UTC-10:00)",
        ),
        ("UTC", ("--until", "2025-10-16"), "a", "2025-10-16 or before, days in local time: UTC"),
        (
            *("Europe/Berlin", ("--since", "2025-10-17", "--until", "2025-10-26"), "bcd"),
            "2025-10-17 to 2025-10-26, days in local time: CEST (UTC+02:00), CET (UTC+01:00)",
        ),
    ],
)
def test_the_days_of_a_list_are_local_and_it_says_so(
    sortable: Path, monkeypatch: pytest.MonkeyPatch, zone: str, words: tuple[str, ...], names: str, said: str
) -> None:
    with monkeypatch.context() as there:
        there.setenv("TZ", zone)
        time.tzset()
        listed = run(sortable, "list", *words, "--json")
    time.tzset()
    assert [record["name"] for record in json.loads(listed.stdout)] == list(names)
    assert listed.stderr == f"runs that began {said}\n"


def test_a_choice_of_what_is_not_there_is_refused(sortable: Path) -> None:
    assert [one["name"] for one in json.loads(run(sortable, "list", "--sweep", "s1", "--json").stdout)] == ["d"]
    for words in (("--sweep", "s2"), ("--tag", "x"), ("--since", "2025-10-02", "--until", "2025-10-01")):
        with pytest.raises(UserError) as caught:
            run(sortable, "list", *words)
        assert caught.value.exit_code == 2


def test_an_archived_run_is_in_no_list_and_still_named(runs: Path) -> None:
    done = run(runs, "archive", "oct17")
    assert (done.stdout, done.stderr) == ("2025-10-17_09-04-10_oct17 is archived\n", "")
    assert RunFolder(runs / "2025-10-17_09-04-10_oct17").read_record().tags == ("swa", "archived")
    listed = run(runs, "list")
    assert "oct17" not in listed.stdout
    assert listed.stderr == "1 archived run has no row; --archived shows them\n"
    assert [one["name"] for one in json.loads(run(runs, "list", "--json").stdout)] == ["oct16"]
    for words in (("--archived",), ("--tag", "archived")):
        assert "oct17" in run(runs, "list", *words).stdout
    assert "archived" in run(runs, "show", "oct17").stdout
    assert run(runs, "archive", "oct17").stdout == "2025-10-17_09-04-10_oct17 was archived already\n"
    page = json.loads(run(runs, "archive", "oct17", "oct16", "--undo", "--json").stdout)
    assert (page["archived"], page["changed"]) == (False, ["2025-10-17_09-04-10_oct17"])
    assert run(runs, "list").stderr == ""


def test_all_or_none_are_archived(runs: Path) -> None:
    live = made(runs, "live", 3, status="running", environment={"hostname": "elsewhere"})
    live.heartbeat_file.touch()
    for word in ("live", "17"):
        assert run(runs, "archive", "oct16", word).exception is not None
        assert not RunFolder(runs / "2025-10-16_09-04-10_oct16").read_record().archived
    mirrored = made(runs, "mirrored", 4, wandb_id="w1")
    assert "set the tag `archived` there" in run(runs, "archive", mirrored.id).stderr


def test_an_unknown_run_is_a_record_error(runs: Path) -> None:
    error = run(runs, "show", "oct61").exception
    assert isinstance(error, RecordError)
    assert "oct16" in str(error.nearest)


def test_watch_shows_runs_under_way_until_interrupted(runs: Path) -> None:
    folder = made(runs, "live", 3, status="running", config={"epochs": 80})
    folder.append_history({"epoch": 4, "val/auprc": 0.31257, "gate/alpha_mean": 0.55})
    terminal, inner = pty.openpty()
    command = [
        sys.executable,
        "-c",
        "from kag.cli.runs import app; app()",
        "watch",
        "--runs",
        str(runs),
        "--every",
        "0.1",
    ]
    environment = {**os.environ, "COLUMNS": "200", "LINES": "40", "TERM": "xterm"}
    with subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner, env=environment) as process:
        os.close(inner)
        seen = b""
        while seen.count(b"0.313") < 2:
            seen += os.read(terminal, 4096)
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0
    os.close(terminal)
    assert b"5/80" in seen
    assert b"0.55" in seen
    assert b"oct17" in seen


def test_sparkline_spans_the_values() -> None:
    assert tables.sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert tables.sparkline([1.0, float("nan"), 3.0]) == "▁ █"
    assert tables.sparkline([2.0, 2.0]) == "▁▁"
    assert tables.sparkline([]) == ""
    long = tables.sparkline(list(range(1000)), width=10)
    assert (len(long), long[0], long[-1]) == (10, "▁", "█")


def test_a_listing_loads_no_heavy_package() -> None:
    code = "import sys, kag.cli.runs; print(sorted({'torch', 'lightning', 'wandb', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
