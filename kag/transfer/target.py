"""The server that runs are carried to, by its own calls: W&B's, and those of kag's own that keep times and names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from kag.errors import NotTaken, UserError
from kag.transfer.asking import Project
from kag.transfer.facts import Stream

TIMEOUT = (10, 120)
"""Seconds to connect, and in which the next bytes of an answer come."""
AGAIN = Retry(total=6, backoff_factor=0.5, status_forcelist=(429, 502, 503, 504), allowed_methods=None)
"""Whatever is sent here may be sent twice: lines carry their number, files replace themselves."""
ROWS, BYTES = 2000, 4 * 2**20
"""Lines, and bytes, of one request."""


class Target(Project):
    """A project of a server.

    Args:
        url: of the server.
        key: API key, which is sent and never shown.
        entity: user or team.
        project: made when the first run comes.
    """

    def __init__(self, url: str, key: str, entity: str, project: str) -> None:
        super().__init__(entity, project)
        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # a login in .netrc would take the place of the key
        self._session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or True
        self._session.headers["Authorization"] = f"Bearer {key}"
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=AGAIN))

    def __str__(self) -> str:
        return f"{self.url}/{self.entity}/{self.project}"

    @property
    def place(self) -> dict[str, str]:
        """The project, as inputs name it."""
        return {"entityName": self.entity, "projectName": self.project}

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """What the server answers to a GraphQL request; see `Project.ask`."""
        told = self._sent("POST", "/graphql", json={"query": query, "variables": variables}).json()
        if told.get("errors"):
            raise NotTaken(str(told["errors"][0].get("message")), where=self.url)
        found: dict[str, Any] = told["data"]
        return found

    def change(self, mutation: str, given: Mapping[str, Any], answer: str) -> dict[str, Any]:
        """What comes of a mutation `x` with an input `XInput`.

        Args:
            mutation: its name.
            given: the input.
            answer: fields of the answer.

        Raises:
            NotTaken: as `ask`.
        """
        kind = f"{mutation[0].upper()}{mutation[1:]}Input!"
        query = f"mutation($input: {kind}) {{ {mutation}(input: $input) {{ {answer} }} }}"
        found: dict[str, Any] = self.ask(query, input=dict(given))[mutation]
        return found

    def stream(self, run: str, stream: Stream, offset: int, lines: Iterator[str]) -> Iterator[int]:
        """Send the lines of a stream from a line on; after each request, how many have gone with it.

        Raises:
            NotTaken: as `ask`.
        """
        path = "/files/" + "/".join(quote(word, safe="") for word in (self.entity, self.project, run)) + "/file_stream"
        for chunk in _chunks(lines):
            self._sent("POST", path, json={"files": {stream.value: {"offset": offset, "content": chunk}}})
            offset += len(chunk)
            yield len(chunk)

    def put(self, link: str, file: Path | bytes) -> None:
        """Send a file to a link that the server has given.

        Raises:
            NotTaken: it does not take it.
        """
        if isinstance(file, bytes) or not file.stat().st_size:
            self._sent("PUT", link, data=b"" if isinstance(file, Path) else file)
            return
        with file.open("rb") as content:
            self._sent("PUT", link, data=content)

    def viewer(self) -> str:
        """The entity that the key belongs to.

        Raises:
            UserError: the key opens nothing.
        """
        found = self.ask("query { viewer { entity } }")["viewer"]
        if not found:
            raise UserError("the key opens nothing", where=self.url, remedy="`kag serve key new NAME` makes one")
        return str(found["entity"])

    def _sent(self, method: str, path: str, **words: Any) -> requests.Response:
        try:
            answer = self._session.request(method, urljoin(f"{self.url}/", path), timeout=TIMEOUT, **words)
        except requests.RequestException as error:
            why = type(error).__name__
            raise NotTaken(f"the server does not answer ({why})", where=self.url, remedy="call it again") from None
        if answer.status_code in (401, 403) and method == "POST":
            remedy = "give a key that may write there"
            raise UserError(_told(answer), where=self.url, remedy=remedy)
        if not answer.ok:
            raise NotTaken(_told(answer), where=self.url)
        return answer


def _told(answer: requests.Response) -> str:
    """What the server says of what it refuses."""
    try:
        found = answer.json()
    except ValueError:
        found = {}
    errors = found.get("errors") if isinstance(found, dict) else None
    words = errors[0].get("message") if errors else found.get("error") if isinstance(found, dict) else None
    return f"{words or answer.reason} ({answer.status_code})"


def _chunks(lines: Iterator[str]) -> Iterator[Sequence[str]]:
    chunk: list[str] = []
    size = 0
    for line in lines:
        if chunk and (len(chunk) == ROWS or size + len(line) > BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(line)
        size += len(line)
    if chunk:
        yield chunk
