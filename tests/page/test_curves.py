"""What scripts of the page are told of a project's curves, of its filter and of its groups."""

from __future__ import annotations

import json
import statistics
from typing import Any
from urllib.parse import urlencode

import pytest

from kag import names
from kag.server.tables import HISTORY, lines, runs
from kag.view.colour import colour_of
from tests.page.conftest import Visitor
from tests.page.synthetic import add_runs, add_script_run

RUNS, EPOCHS = 10, 6


@pytest.fixture
def many(reader: Visitor) -> Visitor:
    """A project of kag's runs, each with its history."""
    add_runs(reader.store, RUNS, epochs=EPOCHS)
    return reader


def told(visitor: Visitor, page: str, **words: str) -> Any:
    answer = visitor.fetch(f"/kag/many/{page}.json?{urlencode(words)}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def logged(visitor: Visitor, key: str) -> dict[str, list[float]]:
    """W&B's id of each run -> what it logged of a key, as the database has it."""
    with visitor.store.read() as connection:
        query = lines.join(runs).select().with_only_columns(runs.c.name, lines.c.body).order_by(runs.c.id, lines.c.step)
        rows = connection.execute(query.where(lines.c.stream == HISTORY)).all()
    found: dict[str, list[float]] = {}
    for name, body in rows:
        found.setdefault(name, []).append(json.loads(body)[key])
    return found


def test_every_run_has_its_curve_and_one_colour_on_every_page(many: Visitor) -> None:
    answer = told(many, "curves", group="none", keys=names.OBJECTIVE)
    (chart,) = answer["charts"]
    wanted = logged(many, names.OBJECTIVE)
    assert {line["id"]: line["y"] for line in chart["lines"]} == {
        name: pytest.approx(values, rel=1e-5) for name, values in wanted.items()
    }
    assert all(line["x"] == list(range(EPOCHS)) for line in chart["lines"])
    table = told(many, "runs")["runs"]
    assert {line["id"]: line["colour"] for line in chart["lines"]} == {row[0]: row[11] for row in table}
    assert {row[0]: row[11] for row in table} == {row[0]: colour_of(row[1]) for row in table}


def test_a_script_that_knows_all_is_told_nothing_and_a_run_that_logs_is_read_again(many: Visitor) -> None:
    first = told(many, "curves", group="none")
    again = f"/kag/many/curves.json?{urlencode({'group': 'none', 'seen': first['seen']})}"
    assert many.fetch(again).status_code == 204
    with many.store.write() as connection:
        number = connection.execute(runs.select().filter_by(name=f"{3:08x}")).one().id
        body = json.dumps({names.EPOCH: EPOCHS, names.OBJECTIVE: 0.99, "_step": EPOCHS})
        place = {"run_id": number, "stream": HISTORY, "writer": "", "line": EPOCHS, "step": EPOCHS}
        connection.execute(lines.insert(), {**place, "body": body})
        connection.execute(runs.update().filter_by(id=number).values(notes="it went on"))
    fresh = many.fetch(again).json()
    longer = [line["id"] for line in fresh["charts"][0]["lines"] if len(line["y"]) > EPOCHS]
    assert longer == [f"{3:08x}"]


def test_the_axis_is_what_was_asked_for(many: Visitor) -> None:
    first = {axis: told(many, "curves", group="none", axis=axis)["charts"][0] for axis in ("step", "relative", "time")}
    assert first["step"]["lines"][0]["x"] == list(range(EPOCHS))
    assert first["relative"]["lines"][-1]["x"] == list(range(EPOCHS))
    assert first["time"]["lines"][0]["x"][0] > 1.7e9
    assert told(many, "curves")["axis"] == "epoch", "what most runs log"


def test_runs_are_grouped_by_any_setting_with_mean_and_deviation(many: Visitor) -> None:
    rows = told(many, "runs", group="config:seed", columns=f"summary:{names.OBJECTIVE}")
    assert told(many, "runs", group="none")["groups"] == []
    values = {row[0]: row[-1][0] for row in told(many, "runs", columns=f"summary:{names.OBJECTIVE}")["runs"]}
    assert sorted(group["name"] for group in rows["groups"]) == [f"seed {seed}" for seed in range(5)]
    for group in rows["groups"]:
        own = [values[name] for name in group["runs"]]
        assert group["cells"][0]["value"] == pytest.approx(statistics.fmean(own))
        assert ("±" in group["cells"][0]["text"]) is (len(own) > 1)
    chart = told(many, "curves", group="config:seed", keys=names.OBJECTIVE)["charts"][0]
    wanted = logged(many, names.OBJECTIVE)
    assert len(chart["lines"]) == 5
    line = next(one for one in chart["lines"] if one["label"] == "seed 1")
    own_runs = [wanted[f"{number:08x}"] for number in (1, 6)]
    assert line["y"] == pytest.approx([statistics.fmean(pair) for pair in zip(*own_runs, strict=True)], rel=1e-4)
    assert line["sd"] == pytest.approx([statistics.stdev(pair) for pair in zip(*own_runs, strict=True)], rel=1e-3)
    assert line["n"] == [2] * EPOCHS
    assert line["id"] == f"group:{1:08x}", "the key of its row in the table"


def test_a_condition_finds_columns_that_are_not_shown_and_stands_blanks(many: Visitor) -> None:
    def fits(text: str, **words: str) -> list[str] | None:
        found: list[str] | None = told(many, "runs", q=text, **words)["fits"]
        return found

    every = [f"{number:08x}" for number in range(RUNS)]
    assert fits("") is None, "no filter"
    assert fits("loss.kind=bce") == every
    assert fits("loss.kind = focal") == []
    values = {row[0]: row[-1][0] for row in told(many, "runs", columns=f"summary:{names.OBJECTIVE}")["runs"]}
    middle = sorted(values.values())[RUNS // 2]
    assert fits(f"val/auprc  >  {middle}", columns="config:seed") == [one for one in every if values[one] > middle]
    assert fits("seed >= 3 RUN000") == [one for number, one in enumerate(every) if number % 5 >= 3]
    assert fits("state != finished") == [every[3]]
    assert fits("temperature=0.5", columns="config:seed") == [every[0], every[9]]
    assert fits("no.such.key=1") == []
    assert fits("", tag="october", state="finished") == [every[0], every[6], every[9]]
    curves = told(many, "curves", q="seed = 2", group="none")
    assert [line["id"] for line in curves["charts"][0]["lines"]] == [every[2], every[7]]
    groups = told(many, "runs", q="seed = 2", group="config:optimizer.lr")["groups"]
    assert sorted(name for group in groups for name in group["runs"]) == [every[2], every[7]]


def test_long_curves_keep_their_extremes_and_gaps_and_few_bytes(reader: Visitor) -> None:
    add_script_run(reader.store, 5000)
    answer = told(reader, "curves", keys="gradient_norm")
    (line,) = answer["charts"][0]["lines"]
    assert answer["axis"] == "step", "it logs no epoch"
    assert 100 < len(line["x"]) <= 510
    assert line["y"][line["x"].index(777)] > 20
    assert [one["key"] for one in told(reader, "curves", catalogue="1")] == sorted(
        ["train/loss", "train/accuracy", "eval/loss", "gradient_norm", "lr"]
    )


def test_numbers_that_are_none_are_gaps_and_trees_have_dotted_keys(reader: Visitor) -> None:
    add_script_run(reader.store, 1)
    rows = [{"a": {"b": 1.0}, "c": "NaN"}, {"a": {"b": float("nan")}}, {"a": {"b": 3}, "c": 2.0}]
    with reader.store.write() as connection:
        number = connection.execute(runs.select()).one().id
        connection.execute(lines.delete())
        place = {"run_id": number, "stream": HISTORY, "writer": ""}
        body = [{**place, "line": i, "step": i, "body": json.dumps({**row, "_step": i})} for i, row in enumerate(rows)]
        connection.execute(lines.insert(), body)
        counts = {key: {"typeCounts": [{"type": "number", "count": 3}]} for key in ("a.b", "c")}
        connection.execute(runs.update().values(history_keys=json.dumps({"keys": counts})))
    answer = told(reader, "curves", keys="a.b,c")
    found = {chart["key"]: (chart["lines"][0]["x"], chart["lines"][0]["y"]) for chart in answer["charts"]}
    assert found == {"a.b": ([0, 1, 2], [1.0, None, 3.0]), "c": ([0, 2], [None, 2.0])}


def test_a_column_has_one_number_format(many: Visitor) -> None:
    words = {"columns": "config:model.gate.temperature,config:optimizer.lr"}
    rows = told(many, "runs", **words)["runs"]
    texts = [
        [text if text is not None else value for text, value in zip(row[12], row[13], strict=True)] for row in rows
    ]
    assert {len(str(temperature).partition(".")[2]) for temperature, _ in texts} == {2}
    assert {len(str(rate).partition(".")[2]) for _, rate in texts} == {4}
