"""Every page of the server with something on it, and when all of it is there; `test_every_page` looks at each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.routing import Match, Route

DRAWN = "document.getElementById('figures').dataset.drawn > 0"
ROWS = "document.querySelector('#runs tbody tr')"
TOLD = "document.getElementById('findings').dataset.asked"
SCORED = (
    "(document.getElementById('scores').scrollIntoView(), document.getElementById('scores').dataset.state === 'shown')"
)
THERE = "document.readyState === 'complete'"
CHOSEN = "document.querySelector('#runs tbody input').click()"

FOREIGN = "/kag/some"
LIGHTNING, SHOWN = f"{FOREIGN}/runs/lightning-000", "/kag/stored/runs/shown"


class Page(NamedTuple):
    """A page."""

    path: str
    ready: str = THERE
    """JavaScript that is true when all of it is there."""
    act: str = ""
    """What somebody does then."""
    status: int = 200


PAGES: Mapping[str, Page] = MappingProxyType(
    {
        "projects": Page("/"),
        "keys": Page("/keys", act="document.querySelectorAll('details').forEach((one) => { one.open = true; })"),
        "runs of kag": Page("/kag/few", ROWS),
        "runs of others": Page(f"{FOREIGN}?q=-00", ROWS),
        "runs, some chosen": Page(f"{FOREIGN}?q=lightning-0", ROWS, CHOSEN),
        "runs, the menu open": Page(f"{FOREIGN}?q=table-0", ROWS, "document.querySelector('details').open = true"),
        "runs, none fits": Page(f"{FOREIGN}?q=nothing", "!document.getElementById('none').hidden"),
        "columns": Page("/kag/few", ROWS, "document.getElementById('columns').click()"),
        "curves": Page(f"{FOREIGN}?view=curves&group=none", DRAWN),
        "table and curves": Page("/kag/few?view=both", DRAWN),
        "groups": Page(f"{FOREIGN}?view=both&group=config:lr", DRAWN),
        "seeds": Page("/kag/scored", ROWS, "document.querySelector('.fold').click()"),
        "a saved view": Page(f"{FOREIGN}?saved=losses&view=both&keys=loss&q=script", DRAWN),
        "deleted runs": Page(f"{FOREIGN}/deleted"),
        "run of kag": Page("/kag/few/runs/00000001", TOLD),
        "run with scores": Page("/kag/scored/runs/s4", SCORED),
        "run of Lightning": Page(LIGHTNING, TOLD),
        "run of a script": Page(f"{FOREIGN}/runs/script-001", TOLD),
        "run without anything": Page(f"{FOREIGN}/runs/bare-005", TOLD),
        "run of no number": Page(f"{FOREIGN}/runs/not_finite-006", TOLD),
        "run that alerted": Page(f"{FOREIGN}/runs/alerted-004", TOLD),
        "trial": Page("/kag/demo/runs/demosweep-0001", TOLD),
        "media": Page(f"{SHOWN}/media", "[...document.querySelectorAll('.medium')].every((one) => one.dataset.shown)"),
        "logged table": Page(f"{SHOWN}/media/table?key=table&step=2"),
        "system": Page(f"{LIGHTNING}/system", DRAWN),
        "console": Page(f"{SHOWN}/console?q=line+119"),
        "files": Page(f"{LIGHTNING}/files"),
        "alerts": Page(f"{FOREIGN}/runs/alerted-004/alerts"),
        "artifact": Page(f"{FOREIGN}/artifacts/model/weights/v1"),
        "table of an artifact": Page(f"{FOREIGN}/artifacts/model/weights/v0/table?name=t.table.json"),
        "compare nothing": Page(f"{FOREIGN}/compare"),
        "compare runs of kag": Page("/kag/few/compare?runs=00000002,00000001,00000000", DRAWN),
        "compare runs of others": Page(
            f"{FOREIGN}/compare?runs=script-008,script-001,lightning-000,not_finite-006", DRAWN
        ),
        "compare, the rows": Page(
            "/kag/few/compare?runs=00000002,00000001", DRAWN, "document.getElementById('keys').click()"
        ),
        "compare chosen rows": Page(
            f"{FOREIGN}/compare?runs=script-008,lightning-000&keys=summary:acc,summary:train_loss,config:lr,config:none",
            DRAWN,
        ),
        "compare seeds": Page("/kag/scored/compare?runs=s0,s1,s2,s3,s4,s5", DRAWN),
        "compare each seed": Page("/kag/scored/compare?runs=s3,s0,s1&seeds=apart", DRAWN),
        "sweeps": Page("/kag/demo/sweeps"),
        "no sweeps": Page(f"{FOREIGN}/sweeps"),
        "sweep": Page("/kag/demo/sweeps/demosweep", "document.getElementById('timeline').dataset.drawn"),
        "change log of kag": Page("/kag/few/changelog"),
        "change log of others": Page(f"{FOREIGN}/changelog"),
        "log-in": Page("/login"),
        "no such run": Page(f"{FOREIGN}/runs/none", status=404),
    }
)

FOR_SCRIPTS = frozenset({"/static/{version}/{name}", "/{entity}/{project}/news"})
"""Addresses that nobody looks at, beside those that say so by their ending."""
ELSEWHERE = frozenset(
    {
        "/{entity}/{project}/runs/{word}/media/file",  # what was logged itself, in a box of its own
        "/{entity}/{project}/runs/{word}/media/page",
        "/{entity}/{project}/runs",  # another address of the table
        "/login/once/{ticket}",  # leads to the first page
    }
)


def unlooked(routes: list[Route]) -> Iterator[str]:
    """Addresses for people at which none of the pages lies."""
    given = [{"type": "http", "method": "GET", "path": urlsplit(page.path).path} for page in PAGES.values()]
    found = {next(one.path for one in routes if one.matches(scope)[0] is Match.FULL) for scope in given}
    looked = found | FOR_SCRIPTS | ELSEWHERE
    people = (one.path for one in routes if "GET" in (one.methods or ()) and not one.path.endswith((".json", ".csv")))
    return (path for path in people if path not in looked)
