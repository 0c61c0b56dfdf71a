"""Scores and seeds on the pages: read when they are asked for, once, and only for who may read the run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kag.compare.replicates import replicates
from kag.server.blob_folder import BlobFolder
from kag.server.context import Patience
from kag.server.keys import new_key
from kag.server.page.held import Project
from kag.server.page.records import Ledger
from kag.server.page.seeds import KeptSeeds
from kag.server.store import find
from kag.server.tables import projects, runs
from kag.track.scores_file import packed
from kag.view.alike import likeness
from tests.page.synthetic import add_file, add_runs, add_scored
from tests.page.test_pages import rows_of
from tests.scored_runs import scored_runs
from tests.server.test_queries import statements

SCORES = "/kag/scored/runs/s4/scores.json"
COMPARED = "/kag/scored/compare.json?runs=s0,s3"


@pytest.fixture
def scored(reader: Any) -> Any:
    """Two groups of seeds with their scores."""
    add_scored(reader.store, reader.settings.files, project="scored")
    reader.now = 1_770_000_000.0
    reader.restart()
    assert reader.log_in().status_code == 303
    return reader


def names(answer: Any) -> list[str]:
    return [figure["name"].removeprefix("scores-") for figure in answer["figures"]]


def test_a_run_has_its_scores_and_those_of_its_parent(scored: Any) -> None:
    answer = scored.fetch(SCORES).json()
    assert names(answer["own"]) == ["precision", "reliability"]
    assert names(answer["beside"]) == ["difference", "proteins-val", "proteins-test"]
    assert answer["beside"]["figures"][0]["title"] == "Paired difference of wide-1 from base-1"
    assert answer["own"]["said"] == answer["beside"]["said"] == []
    page = scored.browse("/kag/scored/runs/s4").text
    assert 'id="beside"' in page
    assert "scores-precision" not in page, "scores come when somebody looks at them"
    first = scored.fetch("/kag/scored/runs/s0/scores.json").json()
    assert names(first["beside"]) == []
    assert 'id="beside"' not in scored.browse("/kag/scored/runs/s0").text
    killed = scored.fetch("/kag/scored/runs/s5/scores.json").json()
    assert killed["own"]["said"][0] == f"{scored_runs()[5].record.id} kept no scores of val."


def test_a_run_says_what_its_seeds_come_to_beside_those_of_its_parent(scored: Any) -> None:
    answers = [scored.fetch(f"/kag/scored/runs/{run}/findings.json").json()["findings"] for run in ("s4", "s5", "s0")]
    wide, other, base = (re.search(r"This run is (.*?)\. <a href=\"(.*?)\">", one) for one in answers)
    assert wide is not None
    assert other is not None
    assert base is not None
    assert wide[0] == other[0], "a seed that failed is one of them"
    parent = scored_runs()[0].record.id
    assert wide[1].startswith("one of 3 seeds: val AUPRC mean 0.")
    assert f", n = 2 of 3; against the 3 seeds of {parent}: mean 0." in wide[1]
    assert re.search(r"; paired difference \+0\.\d+ \[.*\], P\(higher\) \d\.\d\d, over 3 and 2 seeds$", wide[1])
    assert (wide[2], base[2]) == ("/kag/scored/compare?runs=s3,s4,s5", "/kag/scored/compare?runs=s0,s1,s2")
    assert "against" not in base[1]
    assert "(2 of 3 seeds)" in scored.browse(f"{base[2]},s3,s4,s5").text


@contextmanager
def read_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The files of scores that are read while the block runs."""
    seen: list[Any] = []
    real = BlobFolder.read
    with monkeypatch.context() as patch:
        patch.setattr(BlobFolder, "read", lambda blobs, path: (seen.append(path), real(blobs, path))[1])
        yield seen


def test_a_file_is_read_once_and_again_when_another_has_taken_its_place(
    scored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with read_files(monkeypatch) as seen:
        first = scored.fetch(SCORES).json()
        assert len(seen) == 8, "of two runs and two splits the draws, and what the scores look like"
        assert scored.fetch(SCORES).json() == first
        assert len(seen) == 8
        other = packed(scored_runs()[3].scores[0])
        with scored.store.write() as connection:
            add_file(
                connection, scored.settings.files, find(connection, runs, name="s4")["id"], "scores/val.npz", other
            )
        again = scored.fetch(SCORES).json()
        assert len(seen) == 10
    assert names(again["own"]) == ["precision", "reliability"]
    assert "of the weights 444444444444, not of 555555555555" in again["own"]["said"][0]
    assert names(again["beside"]) == ["difference", "proteins-test"]


def test_a_file_that_cannot_be_read_is_said_and_the_rest_is_there(scored: Any) -> None:
    with scored.store.write() as connection:
        number = find(connection, runs, name="s4")["id"]
        add_file(connection, scored.settings.files, number, "scores/val.npz", b"PK nothing")
    answer = scored.fetch(SCORES).json()
    assert "on val cannot be read: " in answer["own"]["said"][0]
    assert names(answer["own"]) == ["precision", "reliability"]
    for path in ("/kag/scored", "/kag/scored/runs/s4", "/kag/scored/compare?runs=s0,s4", COMPARED):
        assert scored.browse(path).status_code == 200


def test_only_who_may_read_the_project_is_answered(scored: Any) -> None:
    with scored.store.write() as connection:
        other = new_key(connection, "stranger", now=scored.now, place=("kag", "elsewhere"))
    scored.http.client.cookies.clear()
    for path in (SCORES, COMPARED):
        assert scored.fetch(path).status_code == 401
    assert scored.log_in(other).status_code == 303
    for path in (SCORES, COMPARED):
        answer = scored.fetch(path)
        assert answer.status_code == 403
        assert "figures" not in answer.text


def test_more_runs_cost_no_more_queries(scored: Any) -> None:
    paths = (SCORES, COMPARED, "/kag/scored/runs.json")
    few = [asked(scored, path) for path in paths]
    add_runs(scored.store, 20, project="scored", epochs=1)
    for path in paths:
        scored.fetch(path)
    assert [asked(scored, path) for path in paths] == few
    assert max(few) <= 8


def asked(site: Any, path: str) -> int:
    """Queries of a page whose runs are held already."""
    site.fetch(path)
    with statements(site) as seen:
        assert site.fetch(path).status_code == 200
    return len(seen)


def test_groups_are_compared_by_their_means_unless_each_seed_is_to_stand_by_itself(scored: Any) -> None:
    every = ",".join(f"s{number}" for number in range(6))
    forest = scored.fetch(f"/kag/scored/compare.json?runs={every}").json()["figures"][0]
    assert forest["title"] == "Paired difference of wide-0 (2 of 3 seeds) from base-0 (3 seeds)"
    apart = scored.fetch(f"/kag/scored/compare.json?runs={every}&seeds=apart").json()["figures"][0]
    assert [row["label"] for row in apart["rows"]][:2] == ["base-1, val AUPRC", "base-2, val AUPRC"]
    page = scored.browse(f"/kag/scored/compare?runs={every}").text
    assert drawn_on(page)[0]["lines"][0]["label"] == "base-0, mean of 3"
    assert "2025-10-06_00-00-00_wide-2 and 2 like it" in page
    assert "without seed 2" in page
    colours = [one.split('"')[0] for one in page.split('data-colour="')[1:]]
    assert (colours[:3], colours[3:]) == ([colours[0]] * 3, [colours[3]] * 3)
    assert colours[0] != colours[3]
    by_itself = scored.browse(f"/kag/scored/compare?runs={every}&seeds=apart").text
    assert len(drawn_on(by_itself)[0]["lines"]) == 6
    assert "like it" not in by_itself
    assert scored.fetch("/kag/scored/compare.json?runs=s0").json() == {"figures": [], "said": []}
    assert scored.fetch("/kag/scored/compare.json?runs=s0,nothing").status_code == 404


def drawn_on(page: str) -> Any:
    return json.loads(page.split('id="drawn">')[1].split("</script>")[0])


def test_the_table_has_a_row_for_seeds_with_their_mean_and_who_is_missing(scored: Any) -> None:
    answer = scored.fetch("/kag/scored/runs.json").json()
    wide, base = sorted(answer["groups"], key=lambda group: group["name"], reverse=True)
    assert (base["runs"], base["count"], base["without"], base["state"]) == (
        ["s2", "s1", "s0"],
        "3 seeds",
        "",
        "finished",
    )
    assert (wide["count"], wide["without"], wide["state"]) == ("2 of 3 seeds", "without seed 2", "various")
    cells = dict(zip([column["word"] for column in answer["columns"]], base["cells"], strict=True))
    values = [run.record.results[0].value for run in scored_runs()[:3]]
    assert cells["summary:val/auprc"]["value"] == pytest.approx(sum(values) / 3)
    assert cells["summary:val/auprc"]["text"] == "0.592 ± 0.021"
    assert cells["summary:val/auprc"]["title"] == "mean of 3 seeds, 0.569 to 0.606"
    assert cells["config:seed"]["text"] == "0, 1, 2"
    assert cells["config:optimizer.lr"]["text"] == "5e-05"
    assert len(rows_of(scored.browse("/kag/scored").text)) == 6


def test_a_group_is_told_anew_when_one_of_its_runs_changes(scored: Any) -> None:
    known = scored.fetch("/kag/scored/runs.json").json()
    assert scored.fetch(f"/kag/scored/runs.json?seen={known['seen']}").status_code == 204
    with scored.store.write() as connection:
        found = find(connection, runs, name="s0")
        summary = json.loads(found["summary"]) | {"val/auprc": 0.9}
        connection.execute(runs.update().filter_by(id=found["id"]).values(summary=json.dumps(summary)))
    fresh = scored.fetch(f"/kag/scored/runs.json?seen={known['seen']}").json()
    assert [run[0] for run in fresh["runs"]] == ["s0"]
    before, after = (
        next(group for group in one["groups"] if "s0" in group["runs"])["cells"][0]["value"] for one in (known, fresh)
    )
    assert after - before == pytest.approx((0.9 - scored_runs()[0].record.results[0].value) / 3)


def test_likenesses_are_worked_out_once_for_each_state_of_a_run(scored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(
        "kag.server.page.seeds.likeness", lambda record, keys: (made.append(record.id), likeness(record, keys))[1]
    )
    kept = KeptSeeds()
    with scored.store.read() as connection:
        number = find(connection, projects, name="scored")["id"]
        project = Project(number, Patience(0.0, 1e12))
        ledger = Ledger.of(project.known(connection, now=scored.now).runs)
    found = [kept.replicates(ledger) for _ in range(2)]
    assert len(made) == 6
    assert found[0] == found[1] == replicates(ledger.records.values())
