"""What every page sends along: a strict policy, escaped text, files that never run, faults that a person can read."""

from __future__ import annotations

import hashlib
import json
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import pytest

from kag.server.page.responses import POLICY, script_data
from kag.server.tables import metadata
from tests.page.conftest import token_of
from tests.page.synthetic import HOSTILE
from tests.server.test_alerts import alert

NAMES = {"displayName": HOSTILE, "tags": [HOSTILE, "</script><script>alert(1)</script>"], "notes": HOSTILE}
SWEEP = """{method: grid, name: "<b>bold</b>", description: "<i>x</i>", metric: {name: "<u>loss</u>", goal: minimize},
parameters: {lr: {values: ["<s>x</s>", 2]}}}"""


class Elements(HTMLParser):
    """What a browser would make of a page: its elements with their attributes, and the JSON inside scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.data: list[Any] = []
        self.inside: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.inside = dict(attrs).get("type") if tag == "script" else None

    def handle_endtag(self, tag: str) -> None:
        self.inside = None

    def handle_data(self, data: str) -> None:
        if self.inside == "application/json":
            self.data.append(json.loads(data))

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.found}


@pytest.fixture
def hostile(reader: Any) -> Any:
    """A project whose every text was written by somebody who means harm."""
    reader.as_client()
    reader.run(config=json.dumps({HOSTILE: {"value": HOSTILE}}), **NAMES)
    reader.log(0, [{"_step": 0, HOSTILE: 1.0, "epoch": 0}])
    summary = {"files": {"wandb-summary.json": {"offset": 0, "content": [json.dumps({HOSTILE: HOSTILE})]}}}
    assert reader.stream(summary).status_code == 200
    output = {"files": {"output.log": {"offset": 0, "content": [HOSTILE]}}}
    assert reader.stream(output).status_code == 200
    assert alert(reader, HOSTILE, text=HOSTILE).status_code == 200
    made = reader.ask(
        "mutation($input: UpsertSweepInput!) { upsertSweep(input: $input) { sweep { name } } }",
        input={"config": SWEEP, "projectName": "p"},
    )
    reader.sweep_name = made["upsertSweep"]["sweep"]["name"]
    return reader


def pages(site: Any) -> list[str]:
    """Every kind of page."""
    sweep = f"/kag/p/sweeps/{site.sweep_name}"
    runs = [f"/kag/p?columns=config:{HOSTILE}", "/kag/p/runs/first", "/kag/p/compare?runs=first,first"]
    words = urlencode({"q": "<img src"})
    tabs = [f"/kag/p/runs/first/{tab}" for tab in ("system", "console", f"console?{words}", f"files?{words}", "alerts")]
    return [
        "/",
        *runs,
        *tabs,
        "/kag/p/sweeps",
        sweep,
        "/kag/p/changelog",
        "/login",
        "/kag/nothing",
        f"/kag/{HOSTILE[:5]}",
    ]


def test_no_text_of_a_stranger_becomes_an_element(hostile: Any) -> None:
    for path in pages(hostile):
        answer = hostile.browse(path)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        elements = Elements(answer.text)
        assert elements.tags() & {"img", "b", "i", "u", "s"} == set(), path
        assert not any(name.startswith("on") for _, attributes in elements.found for name in attributes), path
        assert not any("style" in attributes for _, attributes in elements.found), path
        scripts = [attributes for tag, attributes in elements.found if tag == "script"]
        assert all("src" in one or one["type"] == "application/json" for one in scripts), path


def test_the_values_of_a_page_keep_the_text_as_it_is(hostile: Any) -> None:
    (table,) = Elements(hostile.browse(f"/kag/p?columns=config:{HOSTILE}").text).data
    (run,) = table["runs"]
    assert run[1] == HOSTILE
    assert run[-1] == [HOSTILE]
    assert HOSTILE in hostile.fetch("/kag/p/runs/first/course.json").json()["log"]


def test_data_inside_a_script_cannot_end_it() -> None:
    value = {"a": "</script><!--<script>", "b": "\u2028\u2029&"}
    text = script_data(value)
    assert "<" not in text
    assert "\u2028" not in text
    assert json.loads(text) == value


def test_fragments_for_a_script_are_escaped_too(hostile: Any) -> None:
    for path, key in (("course", "facts"), ("findings", "findings")):
        part = hostile.fetch(f"/kag/p/runs/first/{path}.json").json()[key]
        assert Elements(part).tags() & {"img", "script"} == set()
    assert "&lt;img" in hostile.fetch("/kag/p/runs/first/course.json").json()["results"]


def test_every_answer_has_the_policy_and_nothing_is_kept(hostile: Any) -> None:
    values = ["/kag/p/runs.json", "/kag/p/runs/first/course.json", f"/kag/p/sweeps/{hostile.sweep_name}/trials.json"]
    for path in [*pages(hostile), *values]:
        headers = hostile.browse(path).headers
        assert headers["content-security-policy"] == POLICY, path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
    assert "unsafe" not in POLICY
    assert "http" not in POLICY
    assert {part.split()[0] for part in POLICY.split("; ")} >= {"default-src", "form-action", "frame-ancestors"}


def test_pages_ask_no_other_host_and_scripts_are_kept_by_their_content(hostile: Any) -> None:
    asked = set()
    for path in pages(hostile):
        for tag, attributes in Elements(hostile.browse(path).text).found:
            address = attributes.get("src") or (attributes.get("href") if tag == "link" else None)
            if address is not None:
                assert address.startswith("/static/"), (path, address)
                asked.add(address)
    assert {address.rsplit("/", 1)[1] for address in asked} >= {"page.css", "runs.js", "echarts.min.js", "kag.svg"}
    for address in asked:
        answer = hostile.http.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize("name", ["nothing.js", "..%2f..%2fsession.py", "LICENSE.echarts", "__init__.py"])
def test_nothing_but_scripts_styles_and_pictures_is_served(reader: Any, name: str) -> None:
    version = reader.browse("/").text.split("/static/")[1].split("/")[0]
    assert reader.http.get(f"/static/{version}/page.css").status_code == 200
    assert reader.http.get(f"/static/{version}/{name}").status_code == 404
    assert reader.http.get("/static/0123456789abcdef/page.css").status_code == 404


def test_an_uploaded_file_is_kept_by_a_browser_and_never_run(reader: Any) -> None:
    reader.as_client()
    reader.run()
    query = "mutation($i: CreateRunFilesInput!) { createRunFiles(input: $i) { files { uploadUrl } } }"
    given = {"entityName": "kag", "projectName": "p", "runName": "first", "files": ["page.html"]}
    link = reader.ask(query, i=given)["createRunFiles"]["files"][0]["uploadUrl"]
    assert reader.http.put(link, content=b"<script>alert(1)</script>").status_code == 200
    page = reader.browse("/kag/p/runs/first/files").text
    (shown,) = (a["href"] for tag, a in Elements(page).found if tag == "a" and "download" in a)
    answer = reader.http.get(shown)
    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["content-disposition"] == "attachment"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    ["/kag/none", "/a/b/c/d", "/kag/p/runs/none", "/kag/p/compare?runs=none", "/kag/p/sweeps/none", "/nothing"],
)
def test_what_is_not_there_is_said_on_a_page(reader: Any, path: str) -> None:
    reader.as_client()
    reader.run()
    answer = reader.browse(path)
    assert answer.status_code == 404
    assert "<h1>Not found</h1>" in answer.text
    assert reader.fetch(path).json()["errors"]


def test_another_host_is_turned_away(visitor: Any) -> None:
    answer = visitor.browse("/", Host="evil.example")
    assert answer.status_code == 421
    assert "does not answer to that host" in answer.text


def test_a_fault_of_the_server_is_a_page_and_no_5xx(reader: Any) -> None:
    reader.as_client()
    reader.run()
    with reader.store.write() as connection:
        connection.exec_driver_sql("update runs set config = '[broken'")
    answer = reader.browse("/kag/p")
    assert answer.status_code == 400
    assert "its log has the details" in answer.text
    assert "Traceback" not in answer.text
    metadata.tables["lines"].drop(reader.store.engine)
    assert reader.browse("/kag/p/runs/first").status_code < 500


def test_a_bad_day_or_too_many_runs_are_faults_of_the_request(reader: Any) -> None:
    reader.as_client()
    reader.run()
    assert reader.browse("/kag/p/changelog?since=yesterday").status_code == 400
    many = ",".join(f"r{i}" for i in range(300))
    assert reader.browse(f"/kag/p/compare?runs={many}").status_code == 400


def test_names_that_need_quoting_lead_where_they_should(reader: Any) -> None:
    reader.as_client()
    reader.run(name="a b%2f?#&", project="pro ject?#")
    page = reader.browse("/")
    (link,) = (a["href"] for tag, a in Elements(page.text).found if tag == "a" and "ject" in (a.get("href") or ""))
    assert reader.browse(str(link)).status_code == 200
    shown = reader.browse(f"{link}/runs/a%20b%252f%3F%23%26")
    assert shown.status_code == 200
    (form,) = (a["action"] for tag, a in Elements(shown.text).found if tag == "form" and "notes" in (a["action"] or ""))
    fields = {"csrf": token_of(shown.text), "before": hashlib.sha256(b"").hexdigest(), "notes": "n"}
    assert reader.submit(str(form), fields).status_code == 303
