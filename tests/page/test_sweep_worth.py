"""Beside the pictures of a sweep: what its best trial is worth, worked out once and by one thread."""

from __future__ import annotations

import html
from typing import Any

import pytest
from sqlalchemy import select, update

from kag.compare.selection import selection, worth_told
from kag.server.page import sweep_worth
from kag.server.page.scores import Busy, KeptSelections
from kag.server.tables import runs
from kag.stats.scores import Scores
from kag.track.record import Found, RunRecord
from kag.track.result import Selection
from kag.track.scores_file import packed
from tests.compare.scored_trials import scored, seeded, trial_of
from tests.page.searching import search, start
from tests.page.synthetic import add_record

TRIALS = 4
LINK = """mutation($f: [String!]!, $r: String!){
  createRunFiles(input: {projectName: "searched", runName: $r, files: $f}) { files { uploadUrl } } }"""


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many trials each answer was worked out from."""
    worked: list[int] = []

    def counting(trials: Any, scores_of: Any) -> Any:
        worked.append(len(trials))
        return selection(trials, scores_of)

    monkeypatch.setattr(sweep_worth, "selection", counting)
    return worked


def searched(reader: Any, records: list[RunRecord], scores: list[Scores]) -> str:
    """A sweep whose trials are these runs, with their scores among their files; its path."""
    reader.as_client()
    name = start(reader.ask, "searched")
    search(reader.ask, lambda run, body: reader.stream(body, run, "searched"), "searched", name, len(records))
    for number, (record, kept) in enumerate(zip(records, scores, strict=True)):
        own = {"sweep": name, "found": record.found or Found()}
        take_over(reader, f"{name}-{number:04}", record.model_copy(update=own))
        keep(reader, f"{name}-{number:04}", kept)
    return f"/kag/searched/sweeps/{name}"


def take_over(reader: Any, run: str, record: RunRecord) -> None:
    """Give a run of the sweep the record of a run of kag's own."""
    add_record(reader.store, record, project="searched")
    with reader.store.write() as connection:
        made = connection.execute(select(runs).where(runs.c.name == record.name)).mappings().one()
        connection.execute(runs.delete().where(runs.c.id == made["id"]))
        told = {key: made[key] for key in ("config", "summary", "display_name", "state")}
        connection.execute(update(runs).where(runs.c.name == run).values(**told))


def keep(reader: Any, run: str, scores: Scores) -> None:
    """Upload the scores of val."""
    link = reader.ask(LINK, f=["scores/val.npz"], r=run)["createRunFiles"]["files"][0]["uploadUrl"]
    assert reader.http.put(link, content=packed(scores)).status_code == 200


def trials(*noises: float) -> list[Scores]:
    return [scored(number, noise=noise) for number, noise in enumerate(noises)]


def test_a_sweep_page_says_what_its_best_is_worth_and_works_it_out_once(reader: Any, counted: list[int]) -> None:
    scores = trials(*[1.0] * TRIALS)
    records = [trial_of(number, one) for number, one in enumerate(scores)]
    path = searched(reader, records, scores)
    assert 'id="worth"' in reader.browse(path).text
    assert counted == [], "the page itself waits for nothing"
    told = reader.fetch(f"{path}/worth.json").json()
    known = {record.id: one for record, one in zip(records, scores, strict=True)}
    expected = selection(records, lambda run, split: known[run])
    assert expected is not None
    assert told == {"worth": list(worth_told(expected))}
    assert "4 of 4 trials cannot be told from the best: which of them is best is luck" in told["worth"]
    assert reader.fetch(f"{path}/worth.json").json() == told
    assert counted == [TRIALS]
    reader.as_client()
    keep(reader, f"{path.rpartition('/')[2]}-0001", scored(1, examples=9))
    other = reader.fetch(f"{path}/worth.json").json()["worth"]
    assert "not corrected: they scored other examples" in other, "another upload is another answer"
    assert counted == [TRIALS, TRIALS]


def test_the_change_log_says_what_is_held_and_else_where_it_stands(reader: Any, counted: list[int]) -> None:
    scores = trials(*[1.0] * TRIALS)
    path = searched(reader, [trial_of(number, one) for number, one in enumerate(scores)], scores)

    def log() -> str:
        return html.unescape(reader.browse("/kag/searched/changelog").text)

    link = f'<a href="{path}">What the best is worth</a>'
    assert link in log()
    assert counted == [], "the page of the log waits for nothing"
    told = "; ".join(reader.fetch(f"{path}/worth.json").json()["worth"])
    assert f'<p class="finding">{told}</p>' in log()
    assert link not in log()
    reader.as_client()
    keep(reader, f"{path.rpartition('/')[2]}-0001", scored(1, examples=9))
    assert link in log(), "what was held is of other scores"
    assert "cannot be told from the best" not in log()
    assert counted == [TRIALS]


def test_the_change_log_says_nothing_of_a_sweep_whose_best_trial_kept_no_scores(reader: Any) -> None:
    reader.as_client()
    name = start(reader.ask, "searched")
    search(reader.ask, lambda run, body: reader.stream(body, run, "searched"), "searched", name, 2)
    for asked in range(2):
        page = reader.browse("/kag/searched/changelog").text
        assert f'best of 2 trials of <a href="/kag/searched/sweeps/{name}"' in page
        assert "What the best is worth" not in page
        assert "not corrected" not in page
        assert asked or reader.fetch(f"/kag/searched/sweeps/{name}/worth.json").json()["worth"]


def test_the_best_of_a_sweep_over_seeds_is_of_the_best_mean(reader: Any) -> None:
    scores = trials(0.8, 1.0, 0.7, 1.6)
    settings = [(0, 0.1), (1, 0.1), (0, 0.2), (1, 0.2)]
    records = [trial_of(number, one, **seeded(*settings[number])) for number, one in enumerate(scores)]
    told = reader.fetch(f"{searched(reader, records, scores)}/worth.json").json()["worth"]
    assert told[0].startswith("the best of 2 settings by mean val AUPRC 0.")


def test_what_is_missing_is_said_on_the_page(reader: Any) -> None:
    reader.as_client()
    name = start(reader.ask, "searched")
    search(reader.ask, lambda run, body: reader.stream(body, run, "searched"), "searched", name, 2)
    (told,) = reader.fetch(f"/kag/searched/sweeps/{name}/worth.json").json()["worth"]
    assert told.startswith("not corrected: ")
    assert told.endswith(" kept no scores of val")


def test_who_asks_while_it_is_worked_out_waits_for_nothing() -> None:
    kept, found = KeptSelections(), Selection(candidates=2, value=0.4, expected=(0.3, 0.4))
    told: list[Any] = []

    def make() -> Selection:
        told.append(kept.of(((1, 1),), lambda: found))
        return found

    def fault() -> Selection:
        raise ZeroDivisionError

    assert kept.of(((1, 1),), make) == found
    assert isinstance(told[0], Busy)
    assert kept.of(((1, 1),), fault) == found, "it is known"
    with pytest.raises(ZeroDivisionError):
        kept.of(((2, 2),), fault)
    assert kept.of(((2, 2),), lambda: None) is None, "a fault leaves it open"
