"""`kag serve`: the tracking server, and its API keys."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from kag.errors import UserError
from kag.server.rights import Role
from kag.view.terminal import echo

app = typer.Typer(no_args_is_help=False)
key_app = typer.Typer(
    help="Make, list and revoke the API keys of clients. Example: kag serve key new laptop", no_args_is_help=True
)
app.add_typer(key_app, name="key")

Database = Annotated[
    str, typer.Option("--db", envvar="KAG_DB", help="SQLAlchemy URL: sqlite:///FILE or postgresql+psycopg://...")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_DB = "sqlite:///kag-server/tracking.db"


@app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to bind.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to bind.", min=0, max=65535)] = 8080,
    db: Database = DEFAULT_DB,
    files: Annotated[Path, typer.Option(help="Folder of uploaded files.")] = Path("kag-server/files"),
    entity: Annotated[str, typer.Option(help="Team of clients that name none.")] = "kag",
    strict: Annotated[bool, typer.Option("--strict", help="Answer unknown fields with an error.")] = False,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Key of the certificate (PEM).")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Serve in clear text on an open address.")] = False,
    allow_host: Annotated[list[str] | None, typer.Option(help="Host name that clients may use; repeatable.")] = None,
    base_url: Annotated[
        str, typer.Option(envvar="KAG_BASE_URL", help="Address that clients use, where a proxy is in front.")
    ] = "",
    forwarded_allow_ips: Annotated[
        str,
        typer.Option(
            envvar="KAG_FORWARDED_ALLOW_IPS",
            help="Addresses and networks of proxies that are believed whom they speak for, or *.",
        ),
    ] = "127.0.0.0/8,::1",
    lease: Annotated[
        float, typer.Option(help="Seconds of silence after which an agent counts as dead.", min=1)
    ] = 120.0,
    failures: Annotated[int, typer.Option(help="Attempts of one point that may fail.", min=1)] = 3,
) -> None:
    """Serve runs and sweeps to unmodified wandb clients.

    Examples:

      kag serve key new laptop

      kag serve --port 8080 --db sqlite:///kag-server/kag.db --files kag-server/files
    """
    if context.invoked_subcommand is not None:
        return
    from sqlalchemy.engine import make_url

    from kag.server.app import make_app
    from kag.server.base import parse_base
    from kag.server.context import Settings
    from kag.server.serve import check_address, check_proxies
    from kag.server.serve import serve as run_server
    from kag.sweep import Limits

    check_address(host, certificate=tls_cert, key=tls_key, insecure=insecure)
    check_proxies(forwarded_allow_ips)
    settings = Settings(
        files=files,
        entity=entity,
        strict=strict,
        base=parse_base(base_url) if base_url else None,
        hosts=Settings(files=files).hosts | {host.lower()} | {name.lower() for name in allow_host or ()},
        limits=Limits(lease=lease, failures=failures),
    )
    store = _store(db)
    address = str(settings.base or f"{'https' if tls_cert else 'http'}://{host}:{port}")
    echo(f"serving on {address}, database {make_url(db).render_as_string(hide_password=True)}, files in {files}")
    echo(f"  page: {address}/ (log in with an API key)")
    echo(f"  export WANDB_BASE_URL={address} WANDB_API_KEY=<from `kag serve key new NAME`>")
    made = make_app(store, settings)
    run_server(made, host=host, port=port, proxies=forwarded_allow_ips, certificate=tls_cert, key=tls_key)


def _store(db: str):  # type: ignore[no-untyped-def]  # the type would import SQLAlchemy for `kag --help`
    from sqlalchemy.engine import make_url

    from kag.server.private import private_folder
    from kag.server.store import Store

    if db.startswith("sqlite"):
        file = make_url(db).database
        if file and file != ":memory:":
            folder = Path(file).parent
            if not folder.exists():
                private_folder(folder)
    return Store(db)


_UNITS = {"h": 3600.0, "d": 86_400.0}


def _seconds(text: str) -> float:
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isdecimal() or not 1 <= len(number) <= 5 or int(number) == 0:
        raise UserError(f"{text!r} is no time", where="--expires", nearest="12h, 90d")
    return int(number) * _UNITS[unit]


def _place(project: str | None) -> tuple[str, str] | None:
    if project is None:
        return None
    entity, sign, name = project.partition("/")
    if not (entity and sign and name) or "/" in name:
        raise UserError(f"{project!r} is no project", where="--project", nearest="kag/pockets: its team and its name")
    return entity, name


@key_app.command("new")
def key_new(
    name: Annotated[str, typer.Argument(help="Who will use it.")],
    role: Annotated[Role, typer.Option(help="Look; or also make things, and change those; or all.")] = Role.ADMIN,
    project: Annotated[str | None, typer.Option(help="The only project that it opens.", metavar="TEAM/PROJECT")] = None,
    expires: Annotated[str | None, typer.Option(help="When it opens nothing any more: in 90d, or 12h.")] = None,
    db: Database = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Make an API key and print it, once.

    Examples:

      kag serve key new laptop --role write

      kag serve key new guest --role read --project kag/pockets --expires 90d
    """
    from kag.server.keys import new_key

    now, place = time.time(), _place(project)
    until = None if expires is None else now + _seconds(expires)
    with _store(db).write() as connection:
        key = new_key(connection, name, now=now, role=role, place=place, expires_at=until)
    echo(json.dumps({"name": name, "key": key}, indent=2) if as_json else key)


@key_app.command("list")
def key_list(db: Database = DEFAULT_DB, as_json: Json = False) -> None:
    """All keys: when they were made, what they are for, and which are revoked or have expired.

    Example:

      kag serve key list
    """
    from kag.server.keys import list_keys
    from kag.server.resolvers.fields import time_text

    with _store(db).read() as connection:
        keys = [
            {
                "name": row["name"],
                "created": time_text(row["created_at"]),
                "revoked": None if row["revoked_at"] is None else time_text(row["revoked_at"]),
                "role": row["role"],
                "project": None if row["project"] is None else f"{row['entity']}/{row['project']}",
                "expires": None if row["expires_at"] is None else time_text(row["expires_at"]),
            }
            for row in list_keys(connection)
        ]
    if as_json:
        echo(json.dumps(keys, indent=2))
        return
    for key in keys:
        ends = f"until {key['expires']}" if key["expires"] else "in force"
        state = f"revoked {key['revoked']}" if key["revoked"] else ends
        echo("\t".join((key["name"], key["created"], state, key["role"], key["project"] or "all projects")))


@key_app.command("revoke")
def key_revoke(
    name: Annotated[str, typer.Argument(help="Name of the key.")], db: Database = DEFAULT_DB, as_json: Json = False
) -> None:
    """Close a key for good.

    Example:

      kag serve key revoke laptop
    """
    from kag.server.keys import revoke_key

    with _store(db).write() as connection:
        revoke_key(connection, name, now=time.time())
    echo(json.dumps({"revoked": name}, indent=2) if as_json else f"{name} is revoked")


@app.command("audit")
def audit(
    db: Database = DEFAULT_DB,
    last: Annotated[int, typer.Option(help="Newest entries shown.", min=1)] = 50,
    as_json: Json = False,
) -> None:
    """What was deleted, stopped or steered, by whom and when.

    Example:

      kag serve audit --last 20
    """
    from kag.server.audit import trail
    from kag.server.resolvers.fields import time_text

    with _store(db).read() as connection:
        rows = [{**row, "at": time_text(row["at"])} for row in trail(connection, last)]
    if as_json:
        echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        place = f"{row['entity']}/{row['project']}"
        echo("\t".join((row["at"], row["user"], row["action"], place, row["what"], row["detail"])))
