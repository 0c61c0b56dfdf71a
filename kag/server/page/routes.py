"""Addresses of the page: the ones that W&B's client prints for runs, sweeps and projects, and a few more."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kag.server.page import (
    access,
    actions,
    changelog_page,
    compare_page,
    csv_page,
    curves_page,
    deleted_page,
    index_page,
    keys_page,
    run_edits,
    run_page,
    runs_page,
    saved_views,
    sweep_pages,
    sweep_worth,
    tab_routes,
    tickets,
)
from kag.server.page.responses import html, moved
from kag.server.page.site import Site

GET = {
    "/": index_page.index,
    "/keys": keys_page.keys,
    "/{entity}/{project}": runs_page.table,
    "/{entity}/{project}/runs.json": runs_page.changed,
    "/{entity}/{project}/runs.csv": csv_page.table,
    "/{entity}/{project}/deleted": deleted_page.deleted,
    "/{entity}/{project}/curves.json": curves_page.curves,
    "/{entity}/{project}/news": runs_page.news,
    "/{entity}/{project}/runs": runs_page.table,
    "/{entity}/{project}/runs/{word}": run_page.run,
    "/{entity}/{project}/runs/{word}/course.json": run_page.course,
    "/{entity}/{project}/runs/{word}/findings.json": run_page.findings,
    "/{entity}/{project}/runs/{word}/scores.json": run_page.scores,
    **tab_routes.GET,
    "/{entity}/{project}/compare": compare_page.compare,
    "/{entity}/{project}/compare.json": compare_page.differences,
    "/{entity}/{project}/sweeps": sweep_pages.sweep_list,
    "/{entity}/{project}/sweeps/{word}": sweep_pages.sweep,
    "/{entity}/{project}/sweeps/{word}/trials.json": sweep_pages.trials,
    "/{entity}/{project}/sweeps/{word}/worth.json": sweep_worth.worth,
    "/{entity}/{project}/changelog": changelog_page.changelog,
}

POST = {
    "/logout": access.log_out,
    "/keys": keys_page.make,
    "/keys/revoke": keys_page.revoke,
    "/{entity}/{project}/actions": actions.act,
    "/{entity}/{project}/deleted": deleted_page.put_back,
    "/{entity}/{project}/views": saved_views.save,
    "/{entity}/{project}/views/remove": saved_views.remove,
    "/{entity}/{project}/runs/{word}/notes": run_page.write_notes,
    "/{entity}/{project}/runs/{word}/name": run_edits.rename,
    "/{entity}/{project}/runs/{word}/tags": run_edits.write_tags,
    "/{entity}/{project}/sweeps/{word}/state": sweep_pages.set_state,
    "/{entity}/{project}/changelog/metrics": changelog_page.set_metrics,
}


def routes(site: Site) -> list[Route]:
    """Everything of the page."""
    return [
        Route("/login", partial(access.login_page, site), methods=["GET"]),
        Route("/login", partial(access.log_in, site), methods=["POST"]),
        Route(f"{tickets.PATH}/{{ticket}}", partial(access.log_in_once, site), methods=["GET"]),
        Route("/static/{version}/{name}", site.assets.response, methods=["GET"]),
        *(Route(path, partial(access.guarded, site, handler), methods=["POST"]) for path, handler in POST.items()),
        *(Route(path, partial(access.guarded, site, handler), methods=["GET"]) for path, handler in GET.items()),
    ]


def wants_page(request: Request) -> bool:
    """Whether a person in a browser asks, and no client and no script."""
    return "text/html" in request.headers.get("accept", "") and request.url.path != "/graphql"


def fault_page(site: Site, request: Request, what: str, status: int) -> Response:
    """What a person is told; who is not logged in is led to the form."""
    if status == 401 and request.method == "GET":
        query = f"?{request.url.query}" if request.url.query else ""
        return moved(site.root + access.login_address(f"{request.url.path}{query}"))
    place = request.scope.get("path_params", {})
    project = (place["entity"], place["project"]) if "word" in place else None
    return html(site.text("fault.html", session=None, what=what, status=status, project=project), status=status)
