"""A project of the application in this process, as a target of runs."""

from __future__ import annotations

from typing import Any

from kag.errors import NotTaken
from kag.transfer.target import Target
from tests.server.conftest import Site


class InProcess(Target):
    """Sends its requests to an application, not over a network."""

    def __init__(self, site: Site, project: str = "p") -> None:
        super().__init__("http://127.0.0.1", site.key, "kag", project)
        self.site = site
        self.requests = 0

    def _sent(self, method: str, path: str, **words: Any) -> Any:
        self.requests += 1
        if "data" in words:
            data = words.pop("data")
            words["content"] = data if isinstance(data, bytes) else data.read()
        answer = self.site.http.request(method, path, **words)
        if answer.status_code != 200:
            raise NotTaken(answer.text)
        return answer
