"""Addresses of the tabs of a run, and of versions of artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from kag.server.page.access import Handler
from kag.server.page.alerts_page import alerts_tab
from kag.server.page.artifact_page import artifact, artifact_table
from kag.server.page.console_page import console_tab
from kag.server.page.files_page import files_tab
from kag.server.page.media_files import media_file, media_html
from kag.server.page.media_page import media_items, media_steps, media_tab, media_table
from kag.server.page.system_page import system, system_tab

_RUN = "/{entity}/{project}/runs/{word}"
_VERSION = "/{entity}/{project}/artifacts/{kind}/{word}/{version}"

GET: Mapping[str, Handler] = MappingProxyType(
    {
        f"{_RUN}/media": media_tab,
        f"{_RUN}/media/steps.json": media_steps,
        f"{_RUN}/media/items.json": media_items,
        f"{_RUN}/media/table": media_table,
        f"{_RUN}/media/file": media_file,
        f"{_RUN}/media/page": media_html,
        f"{_RUN}/system": system_tab,
        f"{_RUN}/system.json": system,
        f"{_RUN}/console": console_tab,
        f"{_RUN}/files": files_tab,
        f"{_RUN}/alerts": alerts_tab,
        _VERSION: artifact,
        f"{_VERSION}/table": artifact_table,
    }
)
