"""Scripts, styles and pictures. Their address holds a digest of them all, so a browser may keep them for ever."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from kag.server.faults import NotFound
from kag.server.page.responses import HEADERS

KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
"""Suffix of a file that is served -> media type."""

KEPT = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Assets:
    """The files that are served, by name."""

    paths: dict[str, Path]
    version: str

    @classmethod
    def installed(cls) -> Assets:
        """Those of the page and of the charts."""
        folders = [Path(str(files(package))) / "static" for package in ("kag.report", "kag.server.page")]
        found = [path for folder in folders for path in sorted(folder.iterdir()) if path.suffix in KINDS]
        digest = hashlib.sha256()
        for path in found:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return cls({path.name: path for path in found}, digest.hexdigest()[:16])

    def address(self, name: str) -> str:
        """Where a browser gets a file.

        Raises:
            KeyError: there is no such file.
        """
        return f"/static/{self.version}/{self.paths[name].name}"

    async def response(self, request: Request) -> Response:
        """A file; another version than the installed one is never given under its name.

        Raises:
            NotFound: no such file, or not in this version.
        """
        name = request.path_params["name"]
        path = self.paths.get(name)
        if path is None or request.path_params["version"] != self.version:
            raise NotFound(f"no file {name!r} in this version of the page")
        return FileResponse(path, media_type=KINDS[path.suffix], headers={**HEADERS, "Cache-Control": KEPT})
