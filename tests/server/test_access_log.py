"""The access log: a line a request, by whose id everything about it is found, and nothing in it that opens a door."""

from __future__ import annotations

import json
import logging
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from kag.cli.serve import app as commands
from kag.errors import UserError
from kag.server import serve
from kag.server.access_log import MOST, lines_to
from kag.server.app import make_app
from kag.server.page.tickets import PATH, new_ticket
from kag.text import printable
from tests.page.conftest import Visitor
from tests.server.conftest import Http
from tests.server.test_security import upload_link

FUZZ = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Logging(Visitor):
    """A browser and a client of an application whose access log is a list."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        self.write: Any = self.lines.append
        super().__init__(folder)

    def restart(self) -> None:
        self.app = make_app(self.store, self.settings, clock=lambda: self.now, access_log=lambda line: self.write(line))
        self.http = Http(self.app, {"Authorization": f"Bearer {self.key}"})

    def last(self) -> dict[str, Any]:
        """The line about the last request."""
        found: dict[str, Any] = json.loads(self.lines[-1])
        return found

    def send(self, path: str, query: str, headers: dict[str, str]) -> None:
        """A request as the server hands it on that takes it from the wire; a client would refuse to send some."""
        said = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        scope = {
            "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": query.encode(),
            "headers": [(b"host", b"127.0.0.1"), *said], "client": (headers["X-Forwarded-For"], 1), "scheme": "http",
        }  # fmt: skip

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            pass

        app: Any = self.app
        self.http.run(app(scope, receive, send))


@pytest.fixture
def logging_site(tmp_path: Path) -> Iterator[Logging]:
    made = Logging(tmp_path)
    yield made
    made.http.close()
    made.store.close()


def test_a_line_says_who_asked_what_and_how_it_went(logging_site: Logging) -> None:
    query = {"query": "query Me { viewer { id } }", "operationName": "Me"}
    answer = logging_site.http.post("/graphql?debug=1", json=query, headers={"User-Agent": "wandb/0.31.0"})
    line = logging_site.last()
    assert line.pop("seconds") >= 0
    assert line == {
        "time": "1970-01-12T13:46:40.000+00:00",
        "request_id": answer.headers["x-request-id"],
        "method": "POST",
        "path": "/graphql",
        "status": 200,
        "bytes": len(answer.content),
        "user": "tester",
        "client": "127.0.0.1",
        "agent": "wandb/0.31.0",
        "operation": "Me",
    }


def test_every_answer_has_an_id_of_its_own_and_a_line(logging_site: Logging) -> None:
    paths = ["/healthz", "/login", "/nowhere", "/graphql", "/kag/p"]
    answers = [logging_site.http.get(path) for path in paths]
    foreign = logging_site.http.get("/healthz", headers={"Host": "evil.example"})
    ids = [answer.headers["x-request-id"] for answer in (*answers, foreign)]
    lines = [json.loads(line) for line in logging_site.lines]
    assert [line["request_id"] for line in lines] == ids
    assert len(set(ids)) == len(ids)
    assert [line["status"] for line in lines] == [answer.status_code for answer in (*answers, foreign)]
    assert [line["path"] for line in lines] == [*paths, "/healthz"]


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("0a1b2c3d4e5f60718293a4b5c6d7e8f9", True),
        ("6f1c2f0e-5a0b-4b8e-9d57-0a3f6c1f2b11", True),
        ("short", False),
        ("x" * 65, False),
        ('12345678","user":"root', False),
        ("12345678 12345678", False),
        ("12345678\x1b[31m", False),
        ("a" * 40, False),  # it may be a key
        ("ü" * 10, False),
    ],
)
def test_the_id_of_a_proxy_is_taken_over_if_it_is_one(logging_site: Logging, given: str, taken: bool) -> None:
    logging_site.send("/healthz", "", {"X-Request-Id": given, "X-Forwarded-For": "10.0.0.1"})
    line = logging_site.last()
    assert (line["request_id"] == given) is taken
    assert len(line["request_id"]) >= 8


def test_links_tickets_and_cookies_are_named_by_their_key(logging_site: Logging) -> None:
    link = urlsplit(upload_link(logging_site, "a.txt")).path
    logging_site.http.headers.pop("Authorization")
    assert logging_site.http.put(link, content=b"model").status_code == 200
    line = logging_site.last()
    assert (line["path"], line["user"]) == ("/storage/***/a.txt", "tester")
    with logging_site.store.write() as connection:
        ticket = new_ticket(connection, "tester", now=logging_site.now)
    assert logging_site.browse(ticket).status_code == 303
    assert (logging_site.last()["path"], logging_site.last()["user"]) == (f"{PATH}/***", "tester")
    logging_site.browse("/kag/p")
    assert (logging_site.last()["status"], logging_site.last()["user"]) == (200, "tester")
    logging_site.browse("/kag/p", Cookie="")
    assert logging_site.log_in("wrong").status_code == 403
    assert logging_site.last()["user"] is None
    assert logging_site.log_in().status_code == 303
    assert logging_site.last()["user"] == "tester"


@pytest.fixture
def secrets(logging_site: Logging) -> dict[str, str]:
    """One of each kind, all in force."""
    token = urlsplit(upload_link(logging_site, "a.txt")).path.split("/")[2]
    with logging_site.store.write() as connection:
        ticket = new_ticket(connection, "tester", now=logging_site.now).rsplit("/", 1)[1]
    return {"key": logging_site.key, "token": token, "ticket": ticket}


WORDS = st.sampled_from(["storage", "login", "once", "static", "kag", "", ".", "-", "x" * 600, "é", "\x1b[31m"])
NOISE = st.text(st.characters(max_codepoint=0x2FFF, exclude_categories=["Cs"]), max_size=6)
BYTES = st.text(st.characters(max_codepoint=0xFF), max_size=6)


@FUZZ
@given(data=st.data())
def test_no_line_holds_a_secret_or_a_control_character(
    data: st.DataObject, logging_site: Logging, secrets: dict[str, str]
) -> None:
    """Wherever a client puts it by mistake, and whatever stands around it."""
    secret = secrets[data.draw(st.sampled_from(sorted(secrets)))]
    folders, names = (data.draw(st.lists(WORDS | NOISE, max_size=3)) for _ in range(2))
    path = "/".join(["", *folders, data.draw(NOISE) + secret + data.draw(NOISE), *names])
    agent, address = (data.draw(BYTES) + secret + data.draw(BYTES) for _ in range(2))
    said = {"Authorization": f"Bearer {secret}", "Cookie": f"kag_session_80={secret}", "Referer": f"http://x/{secret}"}
    said |= {"User-Agent": agent, "X-Forwarded-For": address, "X-Request-Id": data.draw(BYTES) + secret}
    before = len(logging_site.lines)
    logging_site.send(path, f"key={secret}", said)
    (line,) = logging_site.lines[before:]
    assert all(one not in line for one in secrets.values())
    assert line.isascii()
    assert line.isprintable()
    texts = [value for value in json.loads(line).values() if isinstance(value, str)]
    assert texts == [printable(text) for text in texts]
    assert max(len(text) for text in texts) <= MOST


@pytest.mark.parametrize("statement", ["UPDATE runs SET config = '[broken'", "DROP TABLE lines"])
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_a_failure_of_the_server_is_found_by_its_id(
    logging_site: Logging, statement: str, accept: str, caplog: pytest.LogCaptureFixture
) -> None:
    logging_site.run()
    logging_site.log_in()
    with logging_site.store.alter() as connection:
        connection.exec_driver_sql(statement)
    with caplog.at_level(logging.ERROR):
        answer = logging_site.http.get("/kag/p/runs/first/course.json", headers={"Accept": accept})
    request = answer.headers["x-request-id"]
    assert answer.status_code in (400, 500)
    assert f"(request {request})" in answer.text
    (record,) = caplog.records
    assert record.getMessage().startswith(f"request {request}: GET /kag/p/runs/first/course.json")
    assert logging_site.last()["request_id"] == request


def test_the_log_of_the_server_holds_no_link_either(
    logging_site: Logging, secrets: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with logging_site.store.alter() as connection:
        connection.exec_driver_sql("DROP TABLE api_keys")
    assert logging_site.http.put(f"/storage/{secrets['token']}/a.txt", content=b"x").status_code == 400
    assert "PUT /storage/***/a.txt" in caplog.text
    assert secrets["token"] not in caplog.text


def test_health_and_unknown_fields_are_said_with_the_id(
    logging_site: Logging, caplog: pytest.LogCaptureFixture
) -> None:
    object.__setattr__(logging_site.settings, "strict", False)
    asked = logging_site.post("{viewer{id shoeSize}}").headers["x-request-id"]
    assert caplog.messages == [f"request {asked}: unknown GraphQL field User.viewer.shoeSize"]
    logging_site.settings.files.folder.rmdir()
    sick = logging_site.http.get("/healthz")
    assert sick.status_code == 503
    assert caplog.messages[1].startswith(f"request {sick.headers['x-request-id']}: /healthz: ")


def test_a_file_is_private_and_a_new_one_begins_where_it_was_moved_away(logging_site: Logging, tmp_path: Path) -> None:
    path, moved = tmp_path / "access.log", tmp_path / "access.log.1"
    path.write_text("before\n")
    path.chmod(0o644)
    with lines_to(str(path)) as logging_site.write:
        logging_site.http.get("/nowhere")
        path.rename(moved)
        for _ in range(2):
            logging_site.http.get("/login")
    assert [stat.S_IMODE(one.stat().st_mode) for one in (path, moved)] == [0o600, 0o600]
    first, line = moved.read_text().splitlines()
    assert (first, json.loads(line)["path"]) == ("before", "/nowhere")
    assert [json.loads(line)["path"] for line in path.read_text().splitlines()] == ["/login", "/login"]


def test_requests_go_on_where_the_log_cannot_and_it_is_said_once(
    logging_site: Logging, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    path = folder / "access.log"
    with lines_to(str(path)) as logging_site.write:
        path.unlink()
        folder.rmdir()
        assert [logging_site.http.get("/login").status_code for _ in range(3)] == [200] * 3
        (said,) = caplog.messages
        assert "the access log cannot be written" in said
        folder.mkdir()
        logging_site.http.get("/nowhere")
        assert [json.loads(line)["path"] for line in path.read_text().splitlines()] == ["/nowhere"]
    assert len(caplog.records) == 1


def test_a_full_disk_breaks_no_request(logging_site: Logging, caplog: pytest.LogCaptureFixture) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    logging_site.write = lambda line: os.write(full, line.encode())
    assert [logging_site.http.get("/login").status_code for _ in range(2)] == [200] * 2
    os.close(full)
    (said,) = caplog.messages
    assert "No space left on device" in said


@pytest.mark.parametrize("where", ["/dev/null", ".", "no/such/folder/access.log"])
def test_what_is_no_file_is_refused_before_anything_is_made(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = Path("/dev/null").stat().st_mode
    result = CliRunner().invoke(commands, ["--port", "0", "--access-log", where])
    assert isinstance(result.exception, UserError), result.output
    assert str(result.exception).startswith(f"{where}: ")
    assert list(tmp_path.iterdir()) == []
    assert Path("/dev/null").stat().st_mode == before


def test_standard_output_is_the_logs_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def once(served: Any, taken: Any, *, tell: Callable[[], None], **words: Any) -> None:
        tell()
        http = Http(served, {})
        http.get("/healthz")
        http.close()

    monkeypatch.setattr(serve, "serve", once)
    monkeypatch.setenv("KAG_ACCESS_LOG", "-")
    place = ["--db", f"sqlite:///{tmp_path / 'tracking.db'}", "--files", str(tmp_path / "files")]
    result = CliRunner().invoke(commands, ["--port", "0", *place])
    assert result.exception is None, result.output
    assert json.loads(result.stdout)["path"] == "/healthz"
    assert "serving on http://127.0.0.1:" in result.stderr
