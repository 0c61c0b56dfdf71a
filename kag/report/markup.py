"""Templates that escape every text, and the few kinds of text that become HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup, escape

from kag.text import printable


def templates(package: str) -> Environment:
    """The templates of a package: what they are given is escaped, and what they are not given is an error."""
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: object) -> object:
    """What a template is given: nothing in a text of somebody else's turns what follows it on the page."""
    return printable(value, lines=True) if isinstance(value, str) and not isinstance(value, Markup) else value


def markdown(text: str) -> Markup:
    """Notes as HTML: tags in them are text, and pictures are links, since a page loads nothing."""
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")
    parser.add_render_rule("link_open", _outward)
    return Markup(parser.render(printable(text, lines=True)))


def _outward(renderer: RendererHTML, tokens: Sequence[Token], place: int, options: OptionsDict, _: EnvType) -> str:
    """A link of notes: where it leads to learns nothing of this page, and has no hold on it."""
    tokens[place].attrSet("rel", "noopener noreferrer nofollow")
    return renderer.renderToken(tokens, place, options, _)


def with_code(text: str) -> Markup:
    """A sentence as HTML: what stands between back-ticks is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(printable(text, lines=True)))))
