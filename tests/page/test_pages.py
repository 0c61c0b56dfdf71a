"""What the pages say: runs and only what has changed of them, notes where others read them, sweeps and their state."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, text

from kag.changelog.formats import as_json
from kag.changelog.siblings import Siblings
from kag.changelog.table import table
from kag.report.curves import curves, overlaid
from kag.report.figure import Chart
from kag.report.markup import with_code
from kag.server.begin import delete
from kag.server.context import Patience
from kag.server.keys import new_key
from kag.server.page.columns import chosen
from kag.server.page.drawn import POINTS, drawn
from kag.server.page.held import Project
from kag.server.page.records import Diagnoses, Ledger
from kag.server.rights import Role
from kag.server.store import find
from kag.server.tables import lines, projects, runs
from kag.text import MISSING, duration, number, size
from kag.track.mirrored import START_KEY
from kag.track.record import SCHEMA
from kag.view.metrics import OWN
from kag.view.results import measured
from tests.page.conftest import token_of
from tests.page.log_table import cells_of
from tests.page.searching import search, start
from tests.page.synthetic import add_runs, add_script_run
from tests.page.test_access import before_of

NOTES = "query($p: String!, $n: String!){project(name: $p){run(name: $n){notes}}}"


@pytest.fixture
def many(reader: Any) -> Any:
    """Twelve runs of kag, one of a script."""
    add_runs(reader.store, 12)
    add_script_run(reader.store, 30)
    reader.now = 1_770_000_000.0
    reader.restart()
    assert reader.log_in().status_code == 303
    return reader


def rows_of(page: str) -> list[Any]:
    """The runs that a page of the table holds."""
    found = re.search(r'id="table">(.*?)</script>', page)
    assert found
    runs: list[Any] = json.loads(found[1])["runs"]
    return runs


def seen(site: Any, known: str = "", more: str = "") -> Any:
    """What a script is told that knows a state of the table."""
    return site.fetch(f"/kag/many/runs.json?seen={known}{more}")


def test_the_table_has_every_run_with_what_tells_them_apart(many: Any) -> None:
    answer = seen(many).json()
    assert [column["word"] for column in answer["columns"]] == [
        "summary:val/auprc",
        "summary:test/auprc",
        "config:model.gate.temperature",
        "config:optimizer.lr",
        "config:seed",
    ]
    assert [run[2] for run in answer["runs"]] == [*(f"run{i:04}" for i in range(11, -1, -1)), "a script"]
    assert answer["runs"][0][-1][2:] == [1.0, 0.0005, 1]
    assert answer["runs"][-1][-1] == [None] * 5
    assert answer["runs"] == rows_of(many.browse("/kag/many").text)


def test_columns_can_be_any_setting_and_any_result(many: Any) -> None:
    answer = seen(many, more="&columns=config:loss.kind,summary:lr,nonsense,summary:").json()
    assert [column["label"] for column in answer["columns"]] == ["loss.kind", "lr"]
    assert answer["runs"][0][-1][0] == "bce"
    catalogue = {one["word"]: one["runs"] for one in many.fetch("/kag/many/runs.json?catalogue=1").json()}
    assert catalogue["config:optimizer.lr"] == 12
    assert catalogue["config:model.depth"] == 1
    assert catalogue["summary:train/loss"] == 13
    assert not any(START_KEY in word or "kag/record" in word or ":_" in word for word in catalogue)


def test_a_poll_is_told_only_what_has_changed(many: Any) -> None:
    known = seen(many).json()["seen"]
    assert seen(many, known).status_code == 204
    many.as_client()
    many.run(name="00000003", project="many", notes="changed by a client")
    fresh = seen(many, known).json()
    assert fresh["whole"] is False
    assert [run[0] for run in fresh["runs"]] == ["00000003"]
    assert fresh["runs"][0][9] == "changed by a client"
    assert seen(many, fresh["seen"]).status_code == 204
    assert len(seen(many, "other-5").json()["runs"]) == 13


def test_an_edit_of_the_same_length_is_told(many: Any) -> None:
    known = seen(many).json()["seen"]
    old, new = (f'"optimizer.lr": {{"value": {value}}}' for value in (0.0005, 0.0009))
    with many.store.write() as connection:
        edit = runs.update().filter_by(name="0000000b").values(config=func.replace(runs.c.config, old, new))
        connection.execute(edit)
    (fresh,) = seen(many, known).json()["runs"]
    assert fresh[-1][3] == rows_of(many.browse("/kag/many").text)[0][-1][3] == 0.0009


def test_words_of_an_address_break_no_page(many: Any) -> None:
    strange = ("\x01", "%", "\u00e4", "a" * 3000, "-1", "1e9", "2025-13-01", "null", "[]", ",,,", "--", "../..")
    paths = (
        "",
        "/runs.json",
        "/curves.json",
        "/runs/00000001",
        "/compare",
        "/changelog",
        "/sweeps",
        "/runs/00000001/course.json",
    )
    for word in strange:
        query = urlencode(
            dict.fromkeys(
                ("columns", "seen", "runs", "since", "until", "tag", "sweep", "all", "q", "group", "keys", "axis"), word
            )
        )
        assert {many.browse(f"/kag/many{path}?{query}").status_code for path in paths} <= {200, 400, 404}
        assert many.browse(f"/kag/many/runs/{quote(word, safe='')}").status_code == 404


def test_a_run_that_falls_silent_is_told_without_a_word_from_it(many: Any) -> None:
    many.as_client()
    many.run(name="live", project="many")
    known = seen(many).json()
    assert known["runs"][0][3] == "running"
    many.now += many.settings.crashed_after + 1
    fresh = seen(many, known["seen"]).json()
    assert [(run[0], run[3]) for run in fresh["runs"]] == [("live", "crashed")]


def test_after_a_run_was_deleted_everything_is_told_anew(many: Any) -> None:
    known = seen(many).json()["seen"]
    with many.store.write() as connection:
        delete(connection, find(connection, runs, name="00000005")["id"], now=many.now)
    fresh = seen(many, known).json()
    assert fresh["whole"] is True
    assert len(fresh["runs"]) == 12


def test_a_run_page_tells_results_with_their_weights_and_the_changes(many: Any) -> None:
    page = many.browse("/kag/many/runs/00000004").text.replace("<wbr>", "")
    assert "2025-10-09_10-53-20_run0004" in page
    assert '<span class="figure">0.396</span>' in page
    assert f'title="{4:064x}"' in page
    assert re.search(r"model.gate.temperature.*?1.25</td><td class=\"after\">1.5</td>", page)
    assert "/kag/many/compare?runs=00000003,00000004" in page
    assert re.search(r"Preflight \(1\)</summary>\s*<p class=\"finding note\">.* swa averages epochs 12 to 15 ", page)


def test_the_curves_of_kag_and_of_any_script(many: Any) -> None:
    own = many.fetch("/kag/many/runs/00000004/course.json").json()
    names = [figure["name"] for figure in own["figures"]]
    assert {"auprc", "losses", "alpha", "entropy", "lr"} <= set(names)
    assert own["figures"][0]["marks"] == [{"x": 17, "label": "best epoch 17"}]
    assert own["figures"][0]["spans"][0]["label"] == "SWA 12 to 15"
    other = many.fetch("/kag/many/runs/script/course.json").json()
    assert [figure["title"] for figure in other["figures"]] == ["loss", "gradient_norm", "lr", "train/accuracy"]
    assert other["rows"] == 30
    assert many.fetch(f"/kag/many/runs/script/course.json?seen={other['seen']}").status_code == 204


def test_findings_and_lineage_are_those_of_the_change_log(many: Any) -> None:
    answer = many.fetch("/kag/many/runs/00000001/findings.json").json()
    assert "highest val AUPRC so far" in answer["findings"]
    nodes = {node["label"].split("\n")[0]: node for node in answer["lineage"]["nodes"]}
    assert nodes["run0000"]["link"] == "/kag/many/runs/00000000"
    assert nodes["run0001"]["current"]
    assert many.fetch("/kag/many/runs/script/findings.json").json()["lineage"] is None


def test_a_note_is_kept_where_the_client_and_the_change_log_read_it(many: Any) -> None:
    page = many.browse("/kag/many/runs/00000002").text
    fields = {"csrf": token_of(page), "before": before_of(page), "notes": "  kept for\r\naveraging \u00e4 <b>\r\n"}
    answer = many.submit("/kag/many/runs/00000002/notes", fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/kag/many/runs/00000002#notes")
    many.as_client()
    assert many.ask(NOTES, p="many", n="00000002")["project"]["run"]["notes"] == "kept for\naveraging \u00e4 <b>"
    page = many.browse("/kag/many/runs/00000002").text
    assert "kept for\naveraging \u00e4 &lt;b&gt;</textarea>" in page
    assert "averaging \u00e4 &lt;b&gt;</p>" in many.browse("/kag/many/changelog").text
    fields = {"csrf": token_of(page), "before": before_of(page), "notes": ""}
    assert many.submit("/kag/many/runs/00000002/notes", fields).status_code == 303
    assert "averaging" not in many.browse("/kag/many/changelog").text


def test_of_two_who_write_a_note_none_loses_it_unseen(many: Any) -> None:
    page = many.browse("/kag/many/runs/00000002").text
    fields = {"csrf": token_of(page), "before": before_of(page)}
    assert many.submit("/kag/many/runs/00000002/notes", {**fields, "notes": "first"}).status_code == 303
    answer = many.submit("/kag/many/runs/00000002/notes", {**fields, "notes": "second"})
    assert answer.status_code == 409
    assert "first" in answer.text
    assert "second" in answer.text
    assert "first</textarea>" in many.browse("/kag/many/runs/00000002").text
    assert many.submit("/kag/many/runs/00000002/notes", {**fields, "notes": "first"}).status_code == 303
    assert many.submit("/kag/many/runs/none/notes", {**fields, "notes": "x"}).status_code == 404


def test_the_change_log_can_be_narrowed(many: Any) -> None:
    whole = many.browse("/kag/many/changelog").text
    assert whole.index("run0011") < whole.index("run0001")
    assert "note of run 7" in whole
    assert re.search(r"test split of data <code>d{12}</code>.*: 12 times, by 12 different sets of weights", whole)
    tagged = many.browse("/kag/many/changelog?tag=october").text
    assert re.findall(r">(run\d+)</a>", tagged) == ["run0009", "run0006", "run0003", "run0000"]
    assert "run0005" not in many.browse("/kag/many/changelog?since=2025-10-10").text
    assert "No run here fits" in many.browse("/kag/many/changelog?until=2020-01-01").text


def test_a_long_change_log_begins_with_its_newest_rows(many: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kag.server.page.changelog_page.SHOWN", 5)
    page = many.browse("/kag/many/changelog?since=2025-10-01").text
    assert re.findall(r">(run\d+)</a>", page) == [f"run{i:04}" for i in range(11, 6, -1)]
    assert 'The newest 5 of 13 rows; <a href="?since=2025-10-01&amp;all=1">' in page
    everything = many.browse("/kag/many/changelog?since=2025-10-01&all=1").text
    assert everything.count("<tr data-") == 13
    assert "newest" not in everything


def test_compared_runs_differ_where_it_says(many: Any) -> None:
    page = many.browse("/kag/many/compare?runs=00000001,00000002,00000001").text.replace("<wbr>", "")
    assert page.count('class="swatch"') == 2
    assert re.search(r"<code>optimizer.lr</code></th><td>0.0002</td><td class=\"after\">0.0003</td>", page)
    assert "swa.start" not in page
    drawn_here = json.loads(page.split('id="drawn">')[1].split("</script>")[0])
    assert [line["label"] for line in drawn_here[1]["lines"]] == ["run0001", "run0002"]
    mixed = many.browse("/kag/many/compare?runs=00000001,script").text
    figures = json.loads(mixed.split('id="drawn">')[1].split("</script>")[0])
    shared = next(figure for figure in figures if figure["title"] == "train/loss")
    assert [line["label"] for line in shared["lines"]] == ["run0001", "a script"]
    assert "Choose runs in" in many.browse("/kag/many/compare").text


def test_rows_of_a_comparison_are_those_of_its_address(many: Any) -> None:
    """Results, last values and settings, equal ones too; what no run has is told to be missing, and words are words."""
    keys = "config:none,config:seed,summary:epoch,summary:val/auprc,summary:nothing,nonsense"
    page = many.browse(f"/kag/many/compare?runs=00000001,00000002&keys={keys}").text.replace("<wbr>", "")
    rows = re.findall(r'<tr[^>]*><th scope="row">(?:<code>)?([^<]+)', page)
    assert rows == ["epoch", "val/auprc", "nothing", "none", "seed"]
    assert re.findall(r'data-run="00000002">(?:<span title="[^"]*">★</span> )?([^< ]+)', page) == ["19", "0.446", "-"]
    assert "&amp;keys=config%3Anone" in page, "links to other runs keep it"
    assert many.browse("/kag/many/compare?runs=00000001,00000002&keys=,").text.count("optimizer") > 0
    told = many.fetch("/kag/many/compare.json?runs=00000001,script&catalogue=1").json()
    assert {"word": "config:model.depth", "kind": "config", "key": "model.depth", "runs": 1} in told


def test_runs_that_look_alike_are_compared_all_the_same(many: Any) -> None:
    for name in ("twin1", "twin2"):
        add_script_run(many.store, 3, name=name, title="twin")
    page = many.browse("/kag/many/compare?runs=twin1,twin2")
    assert page.status_code == 200
    figures = json.loads(page.text.split('id="drawn">')[1].split("</script>")[0])
    labels = [line["label"] for line in figures[0]["lines"] if line["label"]]
    assert len(set(labels)) == len(labels) >= 2


def test_a_record_that_cannot_be_read_is_said_and_the_run_is_shown(many: Any) -> None:
    query = text("update runs set summary = replace(summary, :old, :new) where name = '00000006'")
    with many.store.write() as connection:
        connection.execute(query, {"old": rf"schema_version\":{SCHEMA}", "new": r"schema_version\":99"})
    findings = many.fetch("/kag/many/runs/00000006/findings.json").json()["findings"]
    assert "kag left a record with this run that cannot be read" in findings
    assert many.browse("/kag/many/runs/00000006").status_code == 200
    assert many.browse("/kag/many/changelog").status_code == 200


def test_strange_values_of_a_script_are_shown(reader: Any) -> None:
    reader.as_client()
    config = r'{"half": {"value": "\ud800x"}, "deep": {"value": {"list": [1, {"a": null}]}}, "big": {"value": 1e999}}'
    reader.run(config=config, displayName="sub folder/name,with: all")
    rows = [{"_step": 0, "loss": float("nan"), "half": 1}, {"_step": 1, "image": {"_type": "image-file", "size": 3}}]
    content = [json.dumps(rows[0]).replace('"half"', r'"\udc00"'), json.dumps(rows[1])]
    summary = [r'{"loss": NaN, "text": "\ud83d", "table": {"_type": "table"}}']
    files = {"wandb-history.jsonl": {"offset": 0, "content": content}, "wandb-summary.json": {"content": summary}}
    assert reader.stream({"files": files}).status_code == 200
    for path in ("", "/runs/first", "/compare?runs=first,first", "/changelog"):
        assert reader.browse(f"/kag/p{path}").status_code == 200
    table = reader.fetch("/kag/p/runs.json?columns=config:half,config:deep.list,config:big,summary:loss").json()
    assert table["runs"][0][-1] == ["?x", '[1, {"a": null}]', "Infinity", "NaN"]
    course = reader.fetch("/kag/p/runs/first/course.json").json()
    assert {figure["title"] for figure in course["figures"]} == {"loss", "?"}
    assert reader.fetch("/kag/p/runs/first/findings.json").status_code == 200


def test_what_was_worked_out_is_worked_out_again_only_where_a_run_has_changed(many: Any) -> None:
    project, diagnoses = Project(1, Patience(0.0, 300.0)), Diagnoses()

    def siblings(connection: Any) -> Siblings:
        return diagnoses.siblings(connection, Ledger.of(project.known(connection, now=many.now).runs), OWN)

    with many.store.read() as connection:
        first = siblings(connection)
    with many.store.write() as connection:
        connection.execute(lines.delete())
        connection.execute(runs.update().filter_by(name="00000003").values(notes="new"))
    with many.store.read() as connection:
        second = siblings(connection)
    courses = [(one.course.best, two.course.best) for one, two in zip(first.entries, second.entries, strict=True)]
    assert [new is None for _, new in courses[1:]] == [i == 3 for i in range(12)]
    assert json.loads(as_json(table(second)))[4]["note"] == "new"


@pytest.fixture
def script(reader: Any) -> Any:
    """Two runs of a plain script; the second one reaches more."""
    reader.as_client()
    for name, rate, values in (("one", 0.1, (0.5, 0.8, 0.7)), ("two", 0.2, (0.5, 0.9, 0.85))):
        plain_run(reader, name, {"lr": rate}, values)
    assert reader.log_in().status_code == 303
    return reader


def plain_run(reader: Any, name: str, config: dict[str, float], values: Sequence[float]) -> None:
    """A run of a plain script, one minute after the last one."""
    reader.run(name, "plain", config=json.dumps({key: {"value": value} for key, value in config.items()}))
    pairs = enumerate((value, round(1 - value, 2)) for value in values)
    rows = [{"_step": n, "epoch": n, "val/accuracy": value, "loss": loss} for n, (value, loss) in pairs]
    history = {"offset": 0, "content": list(map(json.dumps, rows))}
    summary = {"offset": 0, "content": [json.dumps(rows[-1])]}
    files = {"wandb-history.jsonl": history, "wandb-summary.json": summary}
    assert reader.stream({"files": files, "complete": True, "exitcode": 0}, name, "plain").status_code == 200
    reader.now += 60


def ask_for(site: Any, *metrics: str) -> Any:
    page = site.browse("/kag/plain/changelog").text
    return site.submit("/kag/plain/changelog/metrics", {"csrf": token_of(page), "metrics": "\r\n".join(metrics)})


def test_the_change_log_of_a_script_has_its_metrics_as_columns(script: Any) -> None:
    page = script.browse("/kag/plain/changelog").text
    assert cells_of(page) == [["val/accuracy", "loss"], ["0.9", "0.1"], ["0.8", "0.2"]]
    assert "<code>val/accuracy</code>, highest value of a run (by its name)" in page
    assert "highest val/accuracy so far (0.8 before), among runs of unknown data; not tested" in page
    assert "lr 0.1 -&gt; 0.2</code> against the run before" in page


def test_replicates_are_one_row_with_a_link_to_each(reader: Any) -> None:
    reader.as_client()
    for seed, value in ((1, 0.75), (2, 1.0), (3, 0.5)):
        plain_run(reader, f"s{seed}", {"lr": 0.1, "seed": seed}, (0.25, value))
    assert reader.log_in().status_code == 303
    page = reader.browse("/kag/plain/changelog").text
    told = ["mean 0.75, sd 0.25, 0.5 to 1, n = 3", "mean 0.25, sd 0.25, 0 to 0.5, n = 3"]
    assert cells_of(page) == [["val/accuracy", "loss"], told]
    assert "and its replicates, seeds 1, 2, 3" in page
    (unfolded,) = re.findall(r"<summary>3 runs</summary>(.*?)</details>", page)
    assert re.findall(r'runs/(s\d)">.*?</a> (.*?)</li>', unfolded) == [
        ("s1", "seed 1 0.75 0.25"),
        ("s2", "seed 2 1 0"),
        ("s3", "seed 3 0.5 0.5"),
    ]


def test_the_seed_of_another_program_is_chosen_on_the_page(reader: Any) -> None:
    """By another name than that of a seed it makes every run a row; `--seed-key` of the command says the same."""
    reader.as_client()
    for shuffle, value in ((1, 0.75), (2, 0.5)):
        plain_run(reader, f"s{shuffle}", {"lr": 0.1, "shuffle": shuffle}, (0.25, value))
    assert reader.log_in().status_code == 303
    page = reader.browse("/kag/plain/changelog").text
    assert (len(cells_of(page)), '<option value="shuffle">seed: shuffle</option>' in page) == (3, True)
    assert 'value="lr"' not in page, "no two runs differ in it"
    page = reader.browse("/kag/plain/changelog?seed-key=shuffle").text
    assert (len(cells_of(page)), "and its replicates, seeds 1, 2" in page) == (2, True)
    assert '<option value="shuffle" selected>' in page
    unknown = reader.browse("/kag/plain/changelog?seed-key=shufle")
    assert (unknown.status_code, "no run has a setting" in unknown.text) == (400, True)


def test_a_project_keeps_the_metrics_that_somebody_asked_for(script: Any) -> None:
    answer = ask_for(script, "loss:last", "", "val/accuracy:max:last")
    assert (answer.status_code, answer.headers["location"]) == (303, "/kag/plain/changelog")
    page = script.browse("/kag/plain/changelog").text
    assert cells_of(page) == [["loss", "val/accuracy"], ["0.15", "0.85"], ["0.3", "0.7"]]
    assert "loss:last\nval/accuracy:max:last</textarea>" in page
    assert "highest val/accuracy so far (0.7 before)" not in page, "loss stands first, and has a goal by its name"
    assert (
        "lowest loss so far (0.3 before), among runs of unknown data; not tested"
        in script.fetch("/kag/plain/runs/two/findings.json").text
    )
    script.restart()
    assert script.log_in().status_code == 303
    assert cells_of(script.browse("/kag/plain/changelog").text)[0] == ["loss", "val/accuracy"]
    assert ask_for(script).status_code == 303
    assert cells_of(script.browse("/kag/plain/changelog").text)[0] == ["val/accuracy", "loss"]


def test_metrics_that_cannot_be_are_refused_and_gone_ones_are_told(script: Any) -> None:
    refused = ask_for(script, "val/acuracy:max")
    assert refused.status_code == 400
    assert "no run has a metric &#39;val/acuracy&#39;" in refused.text
    assert "val/accuracy" in refused.text
    assert ask_for(script, *(f"m{n}" for n in range(9))).status_code == 400
    with script.store.write() as connection:
        connection.execute(projects.update().filter_by(name="plain").values(changelog_metrics="gone"))
    page = script.browse("/kag/plain/changelog").text
    assert "no run has a metric &#39;gone&#39;" in page
    assert cells_of(page)[0] == ["val/accuracy", "loss"]


def test_who_only_reads_is_offered_no_metrics_and_may_set_none(script: Any) -> None:
    with script.store.write() as connection:
        key = new_key(connection, "reader", now=script.now, role=Role.READ)
    script.submit("/logout", {"csrf": token_of(script.browse("/kag/plain/changelog").text)})
    assert script.log_in(key).status_code == 303
    page = script.browse("/kag/plain/changelog").text
    assert 'name="metrics"' not in page
    token = token_of(script.browse("/kag/plain/runs/one").text)
    answer = script.submit("/kag/plain/changelog/metrics", {"csrf": token, "metrics": "loss"})
    assert answer.status_code == 403
    assert cells_of(script.browse("/kag/plain/changelog").text)[0] == ["val/accuracy", "loss"]


@pytest.fixture
def sweep(reader: Any) -> str:
    """A sweep of six points, four of them tried."""
    reader.as_client()
    name = start(reader.ask, "searched")
    search(reader.ask, lambda run, body: reader.stream(body, run, "searched"), "searched", name, 4)
    return name


def test_a_sweep_page_has_its_trials_and_pictures(reader: Any, sweep: str) -> None:
    page = reader.browse(f"/kag/searched/sweeps/{sweep}").text
    assert "4 of 6" in page
    assert "start and window of weight averaging" in page
    answer = reader.fetch(f"/kag/searched/sweeps/{sweep}/trials.json").json()
    assert [figure["kind"] for figure in answer["figures"]] == ["parallel", "chart", "chart", "bars", "heatmap"]
    assert [trial["state"] for trial in answer["trials"]][:4] == ["finished"] * 4
    assert answer["keys"] == ["swa.start", "swa.window"]
    assert answer["trials"][3]["run"] == f"{sweep}-0003"
    again = reader.fetch(f"/kag/searched/sweeps/{sweep}/trials.json?seen={answer['seen']}")
    assert again.status_code == 204
    listed = reader.browse("/kag/searched/sweeps").text
    assert "windows" in listed
    assert "maximize val/auprc" in listed


@pytest.mark.parametrize(
    ("action", "state", "offered"),
    [
        ("pause", "paused", ["resume", "stop", "cancel"]),
        ("stop", "finished", ["resume", "cancel"]),
        ("cancel", "canceled", []),
    ],
)
def test_a_sweep_is_steered_by_buttons(reader: Any, sweep: str, action: str, state: str, offered: list[str]) -> None:
    path = f"/kag/searched/sweeps/{sweep}"
    token = token_of(reader.browse(path).text)
    assert reader.submit(f"{path}/state", {"csrf": token, "action": action}).status_code == 303
    page = reader.browse(path).text
    assert f'<span class="state {state}">{state}</span>' in page
    assert re.findall(r'name="action" value="(\w+)"', page) == offered
    after = reader.submit(f"{path}/state", {"csrf": token, "action": "resume"})
    assert after.status_code == (400 if action == "cancel" else 303)
    assert reader.submit(f"{path}/state", {"csrf": token, "action": "explode"}).status_code == 400


def test_a_search_without_points_left_offers_nothing_and_misses_nobody(reader: Any) -> None:
    reader.as_client()
    name = start(reader.ask, "searched")
    search(reader.ask, lambda run, body: reader.stream(body, run, "searched"), "searched", name, 6)
    path = f"/kag/searched/sweeps/{name}"
    page = reader.browse(path).text
    assert '<span class="state finished">finished</span>' in page
    assert 'name="action"' not in page
    assert '<span class="state running">alive</span>' in page
    reader.now += 1000
    assert '<span class="state ">ended</span>' in reader.browse(path).text


def test_an_agent_that_is_not_heard_of_is_missed_while_there_is_work(reader: Any, sweep: str) -> None:
    reader.now += 1000
    assert '<span class="state crashed">silent</span>' in reader.browse(f"/kag/searched/sweeps/{sweep}").text


def test_a_page_that_is_not_there_leads_back_to_its_project(many: Any) -> None:
    missing = many.browse("/kag/many/runs/nothing")
    assert missing.status_code == 404
    assert '<a href="/kag/many">kag/many</a>' in missing.text
    assert "/kag/none" not in many.browse("/kag/none").text


def test_the_first_page_lists_projects_by_their_last_sign_of_life(many: Any) -> None:
    many.as_client()
    many.run(name="new", project="fresh")
    page = many.browse("/").text
    assert page.index("/kag/fresh") < page.index("/kag/many")
    assert 'aria-label="1 running"' in page


def test_the_first_page_says_how_to_begin(reader: Any) -> None:
    assert "export WANDB_BASE_URL=http://127.0.0.1 WANDB_API_KEY=" in reader.browse("/").text


def test_a_spike_survives_and_a_gap_stays_a_gap() -> None:
    rows = [{"_step": i, "a/loss": 1.0, "b/loss": 2.0 if i % 2 else "NaN"} for i in range(20_000)]
    rows[777]["a/loss"] = 50.0
    (chart,) = curves(rows)
    assert [line.label for line in chart.lines] == ["a/loss", "b/loss"]
    shown = drawn(chart)
    points = dict(zip(shown["lines"][0]["x"], shown["lines"][0]["y"], strict=True))
    assert points[777.0] == 50.0
    assert len(points) <= POINTS + 2
    assert None in shown["lines"][1]["y"]


@settings(max_examples=60)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["epoch", "loss", "t/loss", "_step", "_x", "name", "nested"]),
            st.one_of(
                st.floats(), st.integers(), st.text(max_size=3), st.booleans(), st.none(),
                st.just({"a": 1.0, "b": {"c": 2}}), st.just({"_type": "image"}), st.lists(st.integers()),
            ),
        ),
        max_size=8,
    )
)  # fmt: skip
def test_whatever_a_script_logs_can_be_drawn(rows: list[dict[str, Any]]) -> None:
    for chart in [*curves(rows), *overlaid({"a": rows, "b": rows})]:
        assert isinstance(chart, Chart)
        json.dumps(drawn(chart), allow_nan=False)
        assert all(len(line.x) == len(line.y) > 0 for line in chart.lines)


def test_default_columns_of_no_runs_are_none() -> None:
    assert chosen([], []) == []


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        (number(0.1234567), "0.123"), (number(3), "3"), (number(None), MISSING), (number(float("nan")), MISSING),
        (measured("val/auprc", 0.5), "0.500"), (measured("loss", 1e-7), "1e-07"), (measured("loss", None), MISSING),
        (duration(12.4), "12 s"), (duration(200), "3 min 20 s"), (duration(3900), "1 h 05 min"),
        (duration(90000), "1 d 01 h"), (duration(-1), "0 s"),
        (size(999), "999 B"), (size(1536), "1.5 KiB"), (size(3000 * 2**40), "3,000.0 TiB"),
        (str(with_code("a `<b>` c")), "a <code>&lt;b&gt;</code> c"),
        (str(with_code("<i>`")), "&lt;i&gt;`"),
    ],
)  # fmt: skip
def test_values_are_written_for_people(written: str, wanted: str) -> None:
    assert written == wanted


def test_an_archived_run_has_no_row_until_it_is_asked_for(script: Any) -> None:
    whole = cells_of(script.browse("/kag/plain/changelog").text)
    script.as_client()
    script.run("two", "plain", tags=["archived"])
    assert script.log_in().status_code == 303
    page = script.browse("/kag/plain/changelog?since=1970-01-01").text
    assert cells_of(page) == [whole[0], whole[2]]
    assert '1 archived run has no row; <a href="?since=1970-01-01&amp;archived=1">show all</a>' in page
    again = script.browse("/kag/plain/changelog?archived=1").text
    assert cells_of(again) == whole
    assert '<input type="hidden" name="archived" value="1">' in again
    assert cells_of(script.browse("/kag/plain/changelog?tag=archived").text) == whole[:2]
