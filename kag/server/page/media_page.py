"""The tab of what a run has logged beside numbers. A script fetches a step of a key when a reader comes near it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.responses import Response

from kag.report.histogram_figure import histograms
from kag.server import media
from kag.server.faults import Fault, needed
from kag.server.files import is_path, run_files
from kag.server.history import checked_key, spread
from kag.server.page.drawn import drawn
from kag.server.page.media_files import blob_of, inline
from kag.server.page.responses import POLICY, data
from kag.server.page.site import Shelf, Site
from kag.server.page.table_page import preview, shown_table
from kag.server.page.tabs import Opened, page_of, whole
from kag.server.page.visit import Visit
from kag.server.resolvers.files import get_link
from kag.server.wandb_table import read_table

KEYS = 24
"""Keys on one page."""
AT_ONCE = 24
"""Pictures, sounds, ... of one step that are shown at once."""
COLUMNS = 60
"""Steps of a histogram that are drawn."""

WITH_FRAMES = f"{POLICY}; frame-src 'self'; media-src 'self'"


def media_tab(site: Site, visit: Visit) -> Response:
    """The keys, some on a page, as far as a word leaves them."""
    with site.store.read() as connection:
        opened = Opened.of(site, connection, visit)
    word = visit.query.get("q", "").strip()
    keys = [key for key in media.media_keys(opened.run.row) if word.casefold() in key.name.casefold()]
    page = page_of(visit, len(keys), KEYS)
    some = keys[page.offset : page.offset + KEYS]
    return opened.page(site, visit, "media", policy=WITH_FRAMES, keys=some, page=page, kept={"q": word})


def media_steps(site: Site, visit: Visit) -> Response:
    """The steps at which a key was logged; of histograms, the figure of them all."""
    key = _key(visit)
    with site.store.read() as connection:
        found = Shelf.of(site, connection, visit).run(visit.word)
        kind = needed({one.name: one.kind for one in media.media_keys(found.row)}.get(key), f"no media {key!r}")
        steps = media.steps_of(connection, found.number, key)
        if kind != media.HISTOGRAM:
            return data({"steps": steps})
        chosen = [steps[place] for place in spread(len(steps), COLUMNS)]
        logged = media.logged_at(connection, found.number, key, chosen)
    figure = histograms(key, logged)
    return data({"steps": steps, "figure": None if figure is None else drawn(figure)})


def media_items(site: Site, visit: Visit) -> Response:
    """What was logged under a key at a step, as HTML; from a number on, if it is much."""
    key, step = _key(visit), whole(visit, "step", 0)
    with site.store.read() as connection:
        found = Shelf.of(site, connection, visit).run(visit.word)
        value = media.logged_at(connection, found.number, key, [step]).get(step)
        items = [] if value is None else media.items_of(value)
        begin = min(whole(visit, "from", 0), max(len(items) - 1, 0))
        some = items[begin : begin + AT_ONCE]
        context = site.context(connection, visit)
        names = [one.path for one in some if is_path(one.path)]
        rows = run_files(connection, found.number, names, None) if names else []
        files = {row["name"]: (row["blob_id"], get_link(context, "file", row)) for row in rows}
    kind = "" if value is None else media.KINDS[value["_type"]]
    base = f"{site.address(visit.entity, visit.name, 'runs', visit.word)}/media"
    shown = [
        {"item": one, "inline": inline(one.path), "link": files.get(one.path, (None, None))[1], **_addresses(base, one)}
        for one in some
    ]
    table = _preview(site, visit, key, step, some[0].path) if kind == media.TABLE and some else None
    text = site.text(
        "media_items.html", kind=kind, items=shown, table=table, begin=begin, end=begin + len(some), total=len(items)
    )
    return data({"html": text})


def _addresses(base: str, item: media.Item) -> dict[str, str]:
    name = urlencode({"name": item.path})
    return {"file": f"{base}/file?{name}", "frame": f"{base}/page?{name}"}


def _preview(site: Site, visit: Visit, key: str, step: int, path: str) -> Markup:
    """The first rows of a table, or in a sentence why there are none: the pictures beside it are shown all the same."""
    address = site.address(visit.entity, visit.name, "runs", visit.word)
    try:
        with site.store.read() as connection:
            blob = blob_of(connection, visit, path)
        table = read_table(site.settings.files, blob["path"])
    except Fault as fault:
        return site.text("media_said.html", said=str(fault))
    return preview(site, table, f"{address}/media/table?{urlencode({'key': key, 'step': step})}")


def media_table(site: Site, visit: Visit) -> Response:
    """A logged table: narrowed, ordered, a page of it."""
    key, step = _key(visit), whole(visit, "step", 0)
    with site.store.read() as connection:
        opened = Opened.of(site, connection, visit)
        value = media.logged_at(connection, opened.run.number, key, [step]).get(step)
        items: list[Any] = [] if value is None else media.items_of(value)
        path = items[0].path if items and media.KINDS[(value or {})["_type"]] == media.TABLE else ""
        blob = blob_of(connection, visit, needed(path or None, f"no table {key!r} at step {step}"))
    table = read_table(site.settings.files, blob["path"])
    shown = shown_table(visit, table, {"key": key, "step": str(step)})
    return opened.page(site, visit, "media_table", key=key, step=step, **shown)


def _key(visit: Visit) -> str:
    return checked_key(visit.query.get("key", ""))
