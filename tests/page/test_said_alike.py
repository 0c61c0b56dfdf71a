"""Twenty drawn pairs of runs, of kag's own and of another program, paired or not: each place says the same of each.

The places are `kag runs compare`, its JSON, the change log, the report and the page that compares. The runs are tracked
on a server; a folder of runs holds the same records and files.
"""

from __future__ import annotations

import hashlib
import html
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from typer.testing import CliRunner

from kag.cli.main import app
from kag.compare import wording
from kag.names import Part
from kag.stats.bootstrap import metric_draws
from kag.stats.interval import Interval
from kag.stats.paired import Difference
from kag.stats.scores import Scores
from kag.track.folder import RunFolder
from kag.track.mirrored import END_KEY, START_KEY
from kag.track.npz import packed_arrays
from kag.track.record import Found, RunRecord
from kag.track.result import Result
from kag.track.scores_file import packed
from kag.track.world import World
from tests.changelog.run_logs import run_record
from tests.page.conftest import Visitor

KINDS = ("paired", "no scores", "other data", "seed", "same weights", "program", "program without scores")
WORLD = World(processes=1, device="cpu", precision="32-true", threads=1)
SPLITS: tuple[Part, ...] = ("val", "test")
PROTEINS, POINTS = 24, 6
GROUP = np.repeat(np.arange(PROTEINS), POINTS)
KEYS = tuple(f"p{protein:02}" for protein in range(PROTEINS))
UPLOAD = """mutation($p: String!, $r: String!, $f: [String!]!){
createRunFiles(input: {projectName: $p, runName: $r, files: $f}){files{name uploadUrl}}}"""


class Made(NamedTuple):
    """A run as it is tracked."""

    record: RunRecord
    files: dict[str, bytes]
    logged: dict[str, float]
    """The last values that a program logged; nothing of kag's own."""


class Pair(NamedTuple):
    """Two runs, the second a child of the first."""

    kind: str
    before: Made
    after: Made

    @property
    def runs(self) -> tuple[Made, Made]:
        return self.before, self.after


def digest(*words: object) -> str:
    return hashlib.sha256(repr(words).encode()).hexdigest()


def scores_of(split: Part, signal: float, noise: int, weights: str | None, data: str | None) -> Scores:
    """The stronger the signal, the better; the labels of a split are the same for all."""
    label_N = np.random.default_rng(len(split)).random(len(GROUP)) < 0.3
    noise_N = np.random.default_rng(noise).normal(size=len(GROUP))
    value_N = (signal * label_N + noise_N).astype(np.float32)
    scores = Scores(split, value_N, label_N, GROUP, KEYS, 0.5, weights, data)
    return scores.keeping(metric_draws(value_N, label_N, GROUP, 0.5, samples=200)) if weights else scores


def drawn_pairs() -> Iterator[Pair]:
    draw = random.Random(20251101)
    kinds = [*KINDS, *KINDS, *draw.choices(KINDS, k=20 - 2 * len(KINDS))]
    draw.shuffle(kinds)
    for number, kind in enumerate(kinds):
        signals = 1.0, draw.choice([1.0, 3.0])
        make = program if "program" in kind else own
        yield Pair(kind, *(make(number, place, kind, signals[place]) for place in (0, 1)))


def own(number: int, place: int, kind: str, signal: float) -> Made:
    """One of kag's own; the second names the first as its parent."""
    weights = digest(number, 0 if kind == "same weights" else place)
    data = digest("data", place if kind == "other data" else 0)
    noise = 2 * number + (0 if kind == "same weights" else place)
    scores = [scores_of(split, 1.0 if kind == "same weights" else signal, noise, weights, data) for split in SPLITS]
    results = [
        Result(
            split=one.split,
            metric=metric,
            value=drawn.value,
            weights="raw",
            weights_digest=weights,
            data_digest=data,
            selected_on="val/auprc",
            delivered=True,
        )
        for one in scores
        for metric, drawn in one.draws.items()
    ]
    first = run_record(2 * number, f"n{number}a")
    config = {"seed": place, "pair": number} | ({} if kind == "seed" else {"optimizer.lr": 0.1 / (1 + place)})
    record = run_record(
        2 * number + place,
        f"n{number}{'ab'[place]}",
        config=config,
        parent=first.id if place else None,
        results=results,
        data_digest=data,
        wandb_id=f"w{number}{place}",
        found=Found(spec_digest=digest(config)),
    )
    kept = scores if kind != "no scores" or place else []
    return Made(record, {f"scores/{one.split}.npz": packed(one) for one in kept}, {})


def program(number: int, place: int, kind: str, signal: float) -> Made:
    """A run of another program, which logs its AUROC."""
    one = scores_of("val", signal, 2 * number + place, None, None)
    assert one.label_N is not None
    columns = {"score": one.value_N, "label": one.label_N, "group": np.array(KEYS)[GROUP]}
    first = run_record(2 * number, f"n{number}a")
    config = {"lr": 0.1 / (1 + place), "pair": number, "data_digest": "points"}
    record = run_record(
        2 * number + place,
        f"n{number}{'ab'[place]}",
        config={**config, **({"parent": first.id} if place else {})},
        parent=first.id if place else None,
        data_digest="points",
        wandb_id=f"w{number}{place}",
    )
    files = {} if "without" in kind else {"scores/val.npz": packed_arrays(columns)}
    return Made(record, files, {"val/auroc": one.draws["auroc"].value})


def group(place: int, make: Callable[..., Made], first: int) -> list[Made]:
    """Three seeds of one setting."""
    found = []
    for seed in range(3):
        one = make(first + seed, place, "", (1.0, 3.0)[place])
        settings = {key: value for key, value in one.record.config.items() if key not in ("pair", "parent")}
        fields = {"config": {**settings, "seed": seed}, "parent": f"n{first}a" if place else None}
        told = {} if one.logged else {"world": WORLD, "found": Found(code_digest=digest("code"))}
        found.append(one._replace(record=one.record.model_copy(update={**fields, **told})))
    return found


def track(site: Visitor, made: Made, project: str) -> None:
    """Write a run to the server as a client does."""
    record, name = made.record, str(made.record.wandb_id)
    config, summary = dict(record.config), dict[str, Any](made.logged)
    if not made.logged:
        config |= {START_KEY: record.model_dump_json()}
        summary |= {END_KEY: record.model_dump_json()}
    site.now = record.start.timestamp()
    values = json.dumps({key: {"value": value} for key, value in config.items()})
    site.run(name, project, config=values, displayName=record.id)
    lines = {"offset": 0, "content": [json.dumps({"_step": 0, **made.logged})]}
    files = {
        "wandb-history.jsonl": lines if made.logged else {"offset": 0, "content": []},
        "wandb-summary.json": {"offset": 0, "content": [json.dumps(summary)]},
    }
    assert site.stream({"files": files, "complete": True, "exitcode": 0}, name, project).status_code == 200
    asked = site.ask(UPLOAD, p=project, r=name, f=list(made.files))["createRunFiles"]["files"] if made.files else []
    for one in asked:
        assert site.http.put(one["uploadUrl"], content=made.files[one["name"]]).status_code in (200, 201)


def store(folder: Path, made: Made) -> None:
    """The same run in a folder."""
    kept = RunFolder(folder / made.record.id)
    kept.path.mkdir(parents=True)
    kept.write_record(made.record.model_copy(update={"metrics": made.logged}))
    if made.logged:
        kept.append_history({"_step": 0.0, **made.logged})
    for name, content in made.files.items():
        (kept.path / name).parent.mkdir(exist_ok=True)
        (kept.path / name).write_bytes(content)


class Places(NamedTuple):
    """Everything that is said of the runs."""

    site: Visitor
    runs: Path
    log: dict[str, str]
    """Run id -> its row."""

    def terminal(self, *runs: Made) -> str:
        return kag("runs", "compare", *ids(runs), "--runs", self.runs).splitlines()[0]

    def json(self, *runs: Made) -> dict[str, Any]:
        (found,) = json.loads(kag("runs", "compare", *ids(runs), "--json", "--runs", self.runs))["verdicts"]
        assert isinstance(found, dict)
        return found

    def report(self, *runs: Made) -> str:
        out = self.runs.parent / "report.html"
        kag("report", *ids(runs), "--runs", self.runs, "--out", out, "--force")
        return html.unescape(out.read_text(encoding="utf-8"))

    def page(self, *runs: Made, more: str = "") -> str:
        names = ",".join(str(one.record.wandb_id) for one in runs)
        answer = self.site.browse(f"/kag/pairs/compare?runs={names}{more}")
        assert answer.status_code == 200, answer.text
        return html.unescape(answer.text)


def ids(runs: Sequence[Made]) -> list[str]:
    return [one.record.id for one in runs]


def kag(*words: object) -> str:
    result = CliRunner().invoke(app, [*map(str, words)], catch_exceptions=False, env={"COLUMNS": "4000"})
    assert result.exit_code == 0, result.output
    return result.stdout


PAIRS = list(drawn_pairs())
GROUPS = {make.__name__: [*group(0, make, first), *group(1, make, first)] for make, first in ((own, 50), (program, 60))}
"""Six runs, three seeds each of two settings."""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    folder = tmp_path_factory.mktemp("alike")
    site = Visitor(folder)
    for pair in PAIRS:
        for made in pair.runs:
            track(site, made, "pairs")
            store(folder / "runs", made)
    for made in (one for runs in GROUPS.values() for one in runs):
        track(site, made, "pairs")
        store(folder / "runs", made)
    assert site.log_in().status_code == 303
    rows = kag("changelog", "--source", folder / "runs").splitlines()
    every = [one for runs in (*(pair.runs for pair in PAIRS), *GROUPS.values()) for one in ids(runs)]
    log = {run: row for run in every for row in rows if f"`{run}`" in row}
    yield Places(site, folder / "runs", log)
    site.http.close()
    site.store.close()


def test_every_kind_was_drawn_and_some_are_told_apart_and_some_are_not(places: Places) -> None:
    assert {pair.kind for pair in PAIRS} == set(KINDS)
    assert len(PAIRS) == 20
    tested = {pair.kind: places.json(*pair.runs)["paired"] for pair in PAIRS}
    assert {kind for kind, paired in tested.items() if paired} == {"paired", "seed", "same weights", "program"}
    rows = [places.log[pair.after.record.id] for pair in PAIRS if pair.kind in ("paired", "seed", "program")]
    apart = ["not distinguishable" not in row for row in rows]
    assert set(apart) == {True, False}


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.after.record.name}-{pair.kind}")
def test_each_place_says_the_same(places: Places, pair: Pair) -> None:
    verdict, row = places.json(*pair.runs), places.log[pair.after.record.id]
    said = verdict["sentence"]
    assert places.terminal(*pair.runs) == said
    for place in (places.report(*pair.runs), places.page(*pair.runs)):
        if verdict["reasons"]:
            assert all(reason in place for reason in verdict["reasons"])
            assert 'class="verdict"' not in place
        else:
            assert f'<p class="verdict">{said}.</p>' in place
    assert_row(pair, verdict, row)


@pytest.mark.parametrize("runs", GROUPS.values(), ids=GROUPS.keys())
def test_each_place_says_the_same_of_two_groups_and_says_it_once(places: Places, runs: list[Made]) -> None:
    before, after = ids(runs[:3]), ids(runs[3:])
    mixed = [runs[place] for place in (0, 3, 1, 4, 5, 2)]
    verdict = places.json(*mixed)
    said, counted = verdict["sentence"], "val/auroc" if runs[0].logged else "val/auprc"
    assert (verdict["groups"], verdict["runs"], verdict["higher"]) == ([before, after], [before[0], after[0]], after[0])
    title = {"val/auprc": "val AUPRC"}.get(counted, counted)
    assert said.startswith(f"{after[0]} (3 seeds) is better: higher {title}, mean ")
    tested = difference(verdict["paired"][counted])
    assert f"; paired difference {wording.tested_text(counted, tested)}, " in said
    assert ", over 3 and 3 seeds; they differ in: " in said
    assert said.endswith(f"; compared are {', '.join(before)} with {', '.join(after)}")
    assert places.terminal(*mixed) == said
    for place in (places.report(*mixed), places.page(*mixed)):
        assert re.findall(r'<p class="verdict">(.*?)\.</p>', place) == [said]
    assert places.page(*mixed, more="&seeds=apart").count('<p class="verdict">') == 5
    assert wording.tested_text(counted, tested) in places.log[after[0]]


def test_seeds_of_one_group_are_compared_with_one_another(places: Places) -> None:
    runs = GROUPS["own"][:2]
    said = places.json(*runs)["sentence"]
    assert "nothing but the seed differs: seed 0 -> 1" in said
    assert "compared are" not in said
    for place in (places.report(*runs), places.page(*runs)):
        assert f'<p class="verdict">{said}.</p>' in place


def assert_row(pair: Pair, verdict: dict[str, Any], row: str) -> None:
    """The change log says the same in its own, shorter words: each number of a test, what it tells, and why not."""
    before = pair.before.record.id
    assert ("hand on the same weights" in verdict["sentence"]) == (f"the same weights as `{before}`" in row)
    assert ("nothing but the seed differs" in verdict["sentence"]) == ("nothing but the seed differs" in row)
    if verdict["same_weights"] or not verdict["paired"]:
        assert "against the parent:" not in row
        assert "] against the parent" not in row
        return
    counted = ["val/auroc"] if pair.after.logged else ["val/auprc", "test/auprc"]
    tests = {name: difference(verdict["paired"][name]) for name in counted}
    for name, one in tests.items():
        assert wording.tested_text(name, one) in row, name
    first = tests[counted[0]]
    assert wording.tested_text(counted[0], first if first.value > 0 else -first) in verdict["sentence"]
    assert ("not distinguishable" in verdict["sentence"]) == (not first.told_apart)
    for apart in (True, False):
        texts = [wording.tested_text(name, one) for name, one in tests.items() if one.told_apart is apart]
        ending = "against the parent" if apart else "against the parent: not distinguishable"
        if texts:
            assert f"{texts[-1]} {ending}" in row


def difference(told: dict[str, Any]) -> Difference:
    return Difference(told["difference"], Interval(*told["interval"]), 0.0, told["p_value"])
