"""Files of a run inside its pages: pictures, sound and film as they are; HTML in a frame that can do nothing.

Who made them is a stranger. Only types that a browser draws without running anything are given; HTML is given with a
policy that keeps it from scripts, from other addresses and from the log-in, also when somebody opens it by itself.
"""

from __future__ import annotations

from sqlalchemy import Connection, RowMapping
from starlette.responses import Response

from kag.server.faults import Fault, needed
from kag.server.files import is_path, media_type, run_files
from kag.server.page.responses import HEADERS
from kag.server.page.site import Site
from kag.server.page.visit import Visit
from kag.server.runs import find_run
from kag.server.store import find
from kag.server.tables import blobs

DRAWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"})
PLAYED = frozenset(
    {
        *("audio/mpeg", "audio/ogg", "audio/wav", "audio/x-wav", "audio/flac", "audio/x-flac", "audio/mp4"),
        *("video/mp4", "video/webm", "video/ogg"),
    }
)
"""Types that browsers play."""
HTML = "text/html"

SANDBOX = "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
FRAMED = f"{SANDBOX}; style-src 'unsafe-inline'; img-src data:; media-src data:; font-src data:"
"""Policy of a page of a stranger: its own styles and what lies in it."""
KEPT = "private, max-age=300"
"""A slider comes by the same pictures again."""


def inline(name: str) -> bool:
    """Whether a file can be shown in a page, by its name."""
    return media_type(name) in DRAWN | PLAYED


def media_file(site: Site, visit: Visit) -> Response:
    """A picture, a sound or a film, or the range of it that is asked for.

    Raises:
        NotFound: there is no such file.
        Fault: it is of another type, and to be downloaded.
    """
    name = visit.query.get("name", "")
    if not inline(name):
        raise Fault("this file is not shown in pages: download it", status=415)
    return _answer(site, visit, name, media_type(name), SANDBOX)


def media_html(site: Site, visit: Visit) -> Response:
    """A page that a run has logged, for a frame; see `media_file`."""
    name = visit.query.get("name", "")
    if media_type(name) != HTML:
        raise Fault("this file is no page: download it", status=415)
    return _answer(site, visit, name, HTML, FRAMED)


def _answer(site: Site, visit: Visit, name: str, kind: str, policy: str) -> Response:
    with site.store.read() as connection:
        path = blob_of(connection, visit, name)["path"]
    headers = {**HEADERS, "Content-Security-Policy": policy, "Cache-Control": KEPT}
    return site.settings.files.answer(path, visit.request.headers, media_type=kind, headers=headers)


def blob_of(connection: Connection, visit: Visit, name: str) -> RowMapping:
    """The blob of a file of the run that an address names, or NotFound."""
    run = needed(find_run(connection, visit.project(connection)["id"], visit.word), f"no run {visit.word!r}")
    rows = run_files(connection, run["id"], [name], None) if is_path(name) else ()
    found = needed(next(iter(rows), None), f"the run has no file {name!r}")
    return needed(find(connection, blobs, id=found["blob_id"]), f"the run has no file {name!r}")
