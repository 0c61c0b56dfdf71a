"""`kag serve`: the tracking server."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kag.cli import serve_database, serve_keys
from kag.cli.database import DEFAULT_DB, DEFAULT_FILES, Database, Files, opened
from kag.text import command
from kag.view.terminal import echo

if TYPE_CHECKING:
    from socket import socket

    from kag.server.alert_hook import AlertHook
    from kag.server.base import Base
    from kag.server.context import Settings

app = typer.Typer(no_args_is_help=False)
serve_keys.add_to(app)
serve_database.add_to(app)

BaseUrl = Annotated[
    str, typer.Option(envvar="KAG_BASE_URL", help="Address that clients use, where a proxy is in front.")
]
Proxies = Annotated[
    str,
    typer.Option(
        envvar="KAG_FORWARDED_ALLOW_IPS",
        help="Addresses and networks of proxies that are believed whom they speak for, or *.",
    ),
]
AccessLog = Annotated[
    str,
    typer.Option(
        envvar="KAG_ACCESS_LOG",
        help="File that takes a line of JSON about every request, or -: standard output.",
        metavar="FILE",
    ),
]
AlertUrl = Annotated[
    str,
    typer.Option(envvar="KAG_ALERT_URL", help="Address that gets every `run.alert()` as JSON by POST.", metavar="URL"),
]
Lease = Annotated[float, typer.Option(help="Seconds of silence after which an agent counts as dead.", min=1)]


@app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to bind.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to bind.", min=0, max=65535)] = 8080,
    db: Database = DEFAULT_DB,
    files: Files = DEFAULT_FILES,
    entity: Annotated[str, typer.Option(help="Team of clients that name none.")] = "kag",
    strict: Annotated[bool, typer.Option("--strict", help="Answer unknown fields with an error.")] = False,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Key of the certificate (PEM).")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Serve in clear text on an open address.")] = False,
    allow_host: Annotated[list[str] | None, typer.Option(help="Host name that clients may use; repeatable.")] = None,
    base_url: BaseUrl = "",
    forwarded_allow_ips: Proxies = "127.0.0.0/8,::1",
    access_log: AccessLog = "",
    alert_url: AlertUrl = "",
    lease: Lease = 120.0,
    failures: Annotated[int, typer.Option(help="Attempts of one point that may fail.", min=1)] = 3,
) -> None:
    """Serve runs and sweeps to unmodified wandb clients.

    A database of an earlier kag is migrated first, and one of SQLite copied before that.

    Examples:

      kag serve key new laptop

      kag serve --port 8080
    """
    if context.invoked_subcommand is not None:
        return
    from kag.server import serve as serving
    from kag.server.access_log import STANDARD_OUTPUT, lines_to
    from kag.server.app import make_app
    from kag.server.blobs import blobs_at
    from kag.server.context import Settings
    from kag.server.presence import present_beside
    from kag.sweep import Limits

    serving.check_ways_in(host, certificate=tls_cert, key=tls_key, insecure=insecure, proxies=forwarded_allow_ips)
    settings = Settings(
        files=blobs_at(files),
        entity=entity,
        strict=strict,
        base=_base(base_url),
        hosts=Settings.hosts | {name.lower() for name in (host, *(allow_host or ()))},
        limits=Limits(lease=lease, failures=failures),
        alert_hook=_hook(alert_url),
    )
    say = partial(echo, err=access_log == STANDARD_OUTPUT)  # which is then the log's alone: a program reads its JSON
    with (
        closing(serving.listening(host, port)) as taken,
        lines_to(access_log) as log,
        opened(db, make=True, tell=say) as store,
        present_beside(store, settings.files, now=time.time()) as since,
    ):
        served = make_app(store, settings, since=since, access_log=log)
        tell = partial(say, _told(str(settings.base or _here(host, taken, tls_cert)), db, str(settings.files)))
        with _posting(settings):
            serving.serve(served, taken, tell=tell, proxies=forwarded_allow_ips, certificate=tls_cert, key=tls_key)


def _base(url: str) -> Base | None:
    from kag.server.base import parse_base

    return parse_base(url) if url else None


def _here(host: str, taken: socket, certificate: Path | None) -> str:
    """Where the server listens."""
    return f"{'https' if certificate else 'http'}://{host}:{taken.getsockname()[1]}"


def _hook(url: str) -> AlertHook | None:
    from kag.server.alert_hook import AlertHook

    return AlertHook(url) if url else None


def _posting(settings: Settings) -> AbstractContextManager[None]:
    """While the block runs, alerts are posted, if they are to be."""
    return settings.alert_hook.posting() if settings.alert_hook else nullcontext()


def _told(address: str, url: str, files: str) -> str:
    """Where the server is, and how it is used."""
    from kag.server.trouble import shown

    database = shown(url)
    key = command("serve", "key", "new", "NAME", db=database)
    return (
        f"serving on {address}, database {database}, files in {files}\n"
        f"  page: {address}/ (log in with an API key)\n"
        f"  export WANDB_BASE_URL={address} WANDB_API_KEY=<from `{key}`>"
    )
