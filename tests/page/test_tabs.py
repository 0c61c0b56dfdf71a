"""The tabs of a run: what is stored is there, bounded, and cannot harm who looks at it."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest

from kag.server import console
from kag.server.console import LONGEST, read_line
from kag.server.page.responses import POLICY
from kag.server.wandb_table import parsed
from tests.page.synthetic import HOSTILE
from tests.server.artifact_log import Log
from tests.server.test_alerts import alert

RUN = "/kag/p/runs/first"
UPLOAD = "mutation($i: CreateRunFilesInput!) { createRunFiles(input: $i) { files { uploadUrl } } }"
USE = """mutation($a: ID!, $r: String!) { useArtifact(input: {artifactID: $a, entityName: "kag", projectName: "p",
  runName: $r}) { artifact { id } } }"""
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
TABLE = {"columns": ["name", "score"], "data": [["a", 2], ["b", 10.5], [HOSTILE, None], ["d", "NaN"], ["c", 1]]}


def upload(site: Any, **files: bytes) -> None:
    """Files of the run, by name."""
    given = {"entityName": "kag", "projectName": "p", "runName": "first", "files": list(files)}
    for one, content in zip(site.ask(UPLOAD, i=given)["createRunFiles"]["files"], files.values(), strict=True):
        assert site.http.put(one["uploadUrl"], content=content).status_code == 200


def output(site: Any, lines: list[str], offset: int = 0) -> None:
    """Lines of the console."""
    assert site.stream({"files": {"output.log": {"offset": offset, "content": lines}}}).status_code == 200


def tabs(site: Any, path: str = RUN) -> list[str]:
    """The labels of the tabs of a page; the one that is open has a star."""
    found = re.search(r'<nav class="tabs".*?</nav>', site.browse(path).text, re.DOTALL)
    names = re.findall(r"<a [^>]*?( aria-current[^>]*)?>([^<]+)", found[0]) if found else []
    return [f"{name.strip()}{'*' if current else ''}" for current, name in names]


def items(site: Any, key: str, step: int, begin: int = 0) -> str:
    """What the script of the media tab shows of a key at a step."""
    found: str = site.fetch(f"{RUN}/media/items.json?key={key}&step={step}&from={begin}").json()["html"]
    return found


@pytest.fixture
def run(reader: Any) -> Any:
    """A run that holds nothing yet."""
    reader.as_client()
    reader.run()
    return reader


def test_a_tab_is_there_when_it_has_something_in_it(run: Any) -> None:
    assert tabs(run) == []
    run.as_client()
    run.log(0, [{"_step": 0, "image": {"_type": "image-file", "path": "media/a.png"}}])
    event = json.dumps({"system.cpu": 3.0, "_runtime": 1})
    run.stream({"files": {"wandb-events.jsonl": {"offset": 0, "content": [event]}}})
    output(run, ["hello\n"])
    upload(run, **{"media/a.png": PNG})
    alert(run, "low")
    every = ["Overview", "Media", "System", "Console", "Files and artifacts", "Alerts"]
    assert tabs(run) == ["Overview*", *every[1:]]
    for word, name in zip(("media", "system", "console", "files", "alerts"), every[1:], strict=True):
        assert f"{name}*" in tabs(run, f"{RUN}/{word}")
    assert run.browse("/kag/p/runs/none/media").status_code == 404


def test_images_of_a_step_are_shown_some_at_once_with_their_captions(run: Any) -> None:
    names = [f"media/{i}.png" for i in range(60)]
    many = {"_type": "images/separated", "filenames": names, "captions": [HOSTILE] * 60, "all_masks": [{}]}
    run.log(0, [{"_step": 0, "x": 1}, {"_step": 5, "images": many}, {"_step": 7, "images": {**many, "filenames": []}}])
    upload(run, **dict.fromkeys(names[:30], PNG))
    assert run.fetch(f"{RUN}/media/steps.json?key=images").json() == {"steps": [5, 7]}
    first, second = items(run, "images", 5), items(run, "images", 5, 24)
    assert (first.count("<img"), second.count("<img")) == (24, 6)
    assert first.count('loading="lazy"') == 24
    assert "media/30.png</code> has not arrived" in second
    assert "masks are not drawn" in first
    assert "<img src=x" not in first
    assert "Nothing was logged" in items(run, "images", 7)
    (address,) = {unescape(one) for one in re.findall(r'src="([^"]+)"', first) if "0.png" in one and "%2F0" in one}
    answer = run.fetch(address)
    assert (answer.content, answer.headers["content-type"]) == (PNG, "image/png")
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    part = run.http.get(address, headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, PNG[4:8])


def test_html_is_framed_without_scripts_and_nothing_else_is_given_as_a_page(run: Any) -> None:
    page = b"<script>document.title='stolen'</script>"
    run.log(0, [{"_step": 0, "report": {"_type": "html-file", "path": "media/r.html"}}])
    upload(run, **{"media/r.html": page, "media/x.svg": page})
    frame = items(run, "report", 0)
    assert '<iframe src="/kag/p/runs/first/media/page?name=media%2Fr.html" sandbox=""' in frame
    answer = run.browse(f"{RUN}/media/page?name=media/r.html")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'; ")
    assert "script" not in policy
    assert "allow" not in policy
    for name, status in (("file?name=media/r.html", 415), ("file?name=media/x.svg", 415), ("page?name=../x.html", 404)):
        assert run.browse(f"{RUN}/media/{name}").status_code == status
    assert run.browse(f"{RUN}/media/page?name=none.html").status_code == 404
    assert (
        run.browse(f"{RUN}/media").headers["content-security-policy"] == f"{POLICY}; frame-src 'self'; media-src 'self'"
    )


def test_a_table_is_filtered_ordered_and_paged_on_the_server(run: Any) -> None:
    rows = [*TABLE["data"], *([f"row{i}", 100 + i] for i in range(300))]
    run.log(0, [{"_step": 3, "t": {"_type": "table-file", "path": "media/t.table.json"}}])
    upload(run, **{"media/t.table.json": json.dumps({**TABLE, "data": rows}).encode()})
    assert "305 rows, 2 columns" in items(run, "t", 3)
    address = f"{RUN}/media/table?key=t&step=3"
    column = lambda more: re.findall(r"<tr><td>([^<]*)</td>", run.browse(address + more).text)  # noqa: E731
    assert column("&sort=1")[:3] == ["c", "a", "b"]
    assert column("&sort=-1")[:2] == ["row299", "row298"]
    assert column("&sort=-1&page=4")[-2:] == [
        HOSTILE.replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#39;"),
        "d",
    ]
    assert column("&q=ROW29+399") == ["row299"]
    assert column("&sort=7&page=x")[0] == "a"
    assert run.browse(f"{RUN}/media/table?key=t&step=4").status_code == 404


@pytest.mark.parametrize("content", [b"{", b"\xff", b'{"columns": 1}', b'{"columns": [], "data": [1]}', b"[]"])
def test_a_file_that_is_no_table_is_said_in_its_place(run: Any, content: bytes) -> None:
    run.log(0, [{"_step": 0, "t": {"_type": "table-file", "path": "t.table.json"}}])
    upload(run, **{"t.table.json": content})
    assert items(run, "t", 0).startswith('<p class="muted">')
    assert run.browse(f"{RUN}/media/table?key=t&step=0").status_code == 400


def test_rows_of_a_table_that_are_too_short_or_too_long_fit_its_columns() -> None:
    table = parsed(json.dumps({"columns": ["a", 1], "data": [[1], [1, 2, 3]]}).encode())
    assert (table.columns, table.rows) == (["a", "1"], [[1, None], [1, 2]])


def test_the_console_is_paged_searched_and_leads_from_error_to_error(run: Any) -> None:
    for begin in range(0, 2500, 500):
        output(run, [f"line {i}\n" for i in range(begin, begin + 500)], begin)
    output(run, ["ValueError: bad\n"], 40)
    output(run, ["KeyError: 100%_x\n"], 1900)
    numbers = lambda path: [int(one) for one in re.findall(r'<tr id="l(\d+)"', run.browse(path).text)]  # noqa: E731
    address = f"{RUN}/console"
    assert (numbers(address)[0], numbers(address)[-1]) == (2001, 2500)
    assert numbers(f"{address}?at=1500")[0] == 1001
    assert numbers(f"{address}?page=1")[-1] == 1000
    assert numbers(f"{address}?q=LINE+249") == [250, *range(2491, 2501)]
    assert numbers(f"{address}?q=100%25_") == [1901]
    assert numbers(f"{address}?q=line&from=2400") == [*range(2400, 2501)]
    for words, line in (("error=next&at=1", 41), ("error=next&at=41", 1901), ("error=before&at=2001", 1901)):
        assert run.browse(f"{address}?{words}").headers["location"] == f"{address}?at={line}#l{line}"
    assert "There is no error between line 1,901 and line 2,500" in run.browse(f"{address}?error=next&at=1901").text


def test_a_search_looks_through_so_many_lines_and_goes_on(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "SEARCHED", 100)
    output(run, [f"line {i}\n" for i in range(250)] + ["KeyError: x\n"])
    address = f"{RUN}/console"
    page = run.browse(f"{address}?q=KEYERROR").text
    assert "No line of 1 to 100 holds" in page
    assert 'href="?q=KEYERROR&amp;from=101"' in page
    last = run.browse(f"{address}?q=KEYERROR&from=201").text
    assert "1 line of 201 to 251 holds" in last
    assert "Go on" not in last
    assert "There is no error between line 1 and line 101" in run.browse(f"{address}?error=next&at=1").text
    assert run.browse(f"{address}?error=next&at=200").headers["location"].endswith("at=251#l251")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("ERROR 2026-01-02T03:04:05.678901 \x1b[1;31mred\x1b[0m\n", "red"),
        (" 10%|#\r 20%|##\r100%|####\r\n", "100%|####"),
        ("\x1b]0;title\x07x\x1b[2K\x1b(By", "xy"),
        ("plain", "plain"),
    ],
)
def test_a_line_is_shown_without_what_only_a_terminal_understands(body: str, text: str) -> None:
    line = read_line(1, body)
    assert line.text == text
    assert (line.time, line.is_error_output) == (("2026-01-02T03:04:05", True) if "ERROR" in body else ("", False))


def test_control_characters_and_endless_lines_stay_out_of_the_page(run: Any) -> None:
    output(run, ["\x08\x1b[31;1mx\u202e" + "y" * 50_000])
    page = run.browse(f"{RUN}/console").text
    assert not set(page) & {"\x08", "\x1b", "\u202e"}
    assert f"{50_000 + 10 - LONGEST:,} more characters" in page
    assert len(page) < 10_000


def test_artifacts_lead_to_the_runs_that_logged_and_used_them_and_back(run: Any) -> None:
    log = Log(run)
    log({"a.txt": b"1", "t.table.json": json.dumps(TABLE).encode()}, metadata=json.dumps({"depth": {"x": 3}}))
    number = log({"a.txt": b"22"})
    run.run("second")
    run.ask(USE, a=number, r="second")
    version = "/kag/p/artifacts/model/m/v1"
    assert f'href="{version}"' in run.browse(f"{RUN}/files").text
    second = run.browse("/kag/p/runs/second/files").text
    assert "Artifacts used" in second
    assert f'href="{version}"' in second
    assert "Artifacts logged" not in second
    page = run.browse("/kag/p/artifacts/model/m/latest").text
    assert ">m:v1</h1>" in page
    assert 'href="/kag/p/runs/first"' in page
    assert 'href="/kag/p/runs/second"' in page
    older = run.browse("/kag/p/artifacts/model/m/v0").text
    assert "depth.<wbr>x" in older
    (link,) = re.findall(r'<a href="([^"]+)" download aria-label="Download a.txt"', older)
    assert run.http.get(unescape(link)).content == b"1"
    table = run.browse("/kag/p/artifacts/model/m/v0/table?name=t.table.json")
    assert "5 of 5 rows" in table.text
    assert run.browse("/kag/p/artifacts/model/m/v0/table?name=a.txt").status_code == 404
    assert run.browse("/kag/p/artifacts/model/m/v9").status_code == 404


def test_the_newest_alerts_stand_on_the_first_page_for_who_may_read_them(run: Any) -> None:
    for number in range(7):
        run.now += 1
        alert(run, f"alert {number}", severity="ERROR" if number == 6 else "INFO")
    titles = lambda path: re.findall(r"<strong>(alert \d)</strong>", run.browse(path).text)  # noqa: E731
    assert titles("/") == [f"alert {number}" for number in (6, 5, 4, 3, 2)]
    assert titles(f"{RUN}/alerts") == [f"alert {number}" for number in range(6, -1, -1)]
    assert '<div class="alert error">' in run.browse("/").text


def test_what_the_machine_did_is_drawn_by_device(run: Any) -> None:
    rows = [
        {"system.gpu.0.gpu": i, "system.gpu.1.gpu": 2 * i, "system.cpu": "NaN", "_runtime": 60 * i} for i in range(3)
    ]
    events = [json.dumps({**row, "_wandb": True}) for row in rows]
    run.stream({"files": {"wandb-events.jsonl": {"offset": 0, "content": events}}})
    answer = run.fetch(f"{RUN}/system.json").json()
    (gpus,) = [one for one in answer["figures"] if one["name"] == "system.gpu.*.gpu"]
    assert [(line["label"], line["x"], line["y"]) for line in gpus["lines"]] == [
        ("0", [0, 1, 2], [0, 1, 2]),
        ("1", [0, 1, 2], [0, 2, 4]),
    ]
    assert run.fetch(f"{RUN}/system.json?seen={answer['seen']}").status_code == 204
