"""The templates, and how they write keys, times and long texts. Every text is escaped unless it is made here."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

from jinja2 import Environment
from markupsafe import Markup

from kag import text
from kag.changelog.parts import Text, joined
from kag.report.assets import SCRIPTS
from kag.report.markup import markdown, templates, with_code
from kag.server.page.assets import Assets
from kag.server.page.responses import script_data
from kag.view.results import interval, measured, seal

SHOWN_TEXT = 160
"""Letters of a value in a table."""


def environment(assets: Assets, root: str) -> Environment:
    """The templates of the page; `root` is what every address begins with."""
    made = templates("kag.server.page")
    made.filters |= {
        **{name: getattr(text, name) for name in ("commit", "digest", "duration", "fact", "setting", "size")},
        "measured": measured,
        "interval": interval,
        "seal": seal,
        "moment": moment,
        "brief": brief,
        "code": with_code,
        "markdown": markdown,
        "pieces": pieces,
        "dotted": dotted,
        "script_data": lambda value: Markup(script_data(value)),
        "segment": segment,
    }
    made.globals |= {"root": root, "static": lambda name: root + assets.address(name), "chart_scripts": SCRIPTS}
    return made


def segment(name: str) -> str:
    """A name as one part of a path."""
    return quote(name, safe="")


def path_of(*names: str) -> str:
    """The address of a page."""
    return "/" + "/".join(map(segment, names))


def dotted(key: str) -> Markup:
    """A key of the spec; a narrow place breaks it behind its dots."""
    return Markup(".<wbr>").join(key.split("."))


def brief(value: str, most: int = SHOWN_TEXT) -> str:
    """A text in a table; a long one is cut."""
    return value if len(value) <= most else f"{value[:most]}…"


def pieces(parts: Text) -> Markup:
    """A text of the change log."""
    return Markup(joined(parts, with_code, Markup('<code class="changes">{}</code>').format))


def moment(seconds: float | datetime | None) -> Markup:
    """A time; a script turns it into the reader's own zone."""
    if seconds is None:
        return Markup(text.MISSING)
    time = seconds if isinstance(seconds, datetime) else datetime.fromtimestamp(seconds, UTC)
    return Markup('<time datetime="{}">{}</time>').format(f"{time:%Y-%m-%dT%H:%M:%SZ}", f"{time:%Y-%m-%d %H:%M}")
