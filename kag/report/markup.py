"""Templates that escape every text, and the few kinds of text that become HTML."""

from __future__ import annotations

import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup, escape


def templates(package: str) -> Environment:
    """The templates of a package: what they are given is escaped, and what they are not given is an error."""
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def markdown(text: str) -> Markup:
    """Notes as HTML: tags in them are text, and pictures are links, since a page loads nothing."""
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")
    return Markup(parser.render(text))


def with_code(text: str) -> Markup:
    """A sentence as HTML: what stands between back-ticks is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
