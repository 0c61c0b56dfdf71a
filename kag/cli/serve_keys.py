"""`kag serve key` and `kag serve audit`: who may use a server, and what they have done."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from kag.cli.database import DEFAULT_DB, Database, Json, opened
from kag.errors import UserError
from kag.server.rights import Role
from kag.view.terminal import answer, echo

key_app = typer.Typer(
    help="Make, list and revoke the API keys of clients. Example: kag serve key new laptop", no_args_is_help=True
)
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


def add_to(app: typer.Typer) -> None:
    """The commands, under `kag serve`."""
    app.add_typer(key_app, name="key")
    app.command("audit")(audit)


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
    with opened(db, make=True) as store, store.write() as connection:
        key = new_key(connection, name, now=now, role=role, place=place, expires_at=until)
    if as_json:
        answer({"name": name, "key": key})
    else:
        echo(key)


@key_app.command("list")
def key_list(db: Database = DEFAULT_DB, as_json: Json = False) -> None:
    """All keys: when they were made, what they are for, and which are revoked or have expired.

    Example:

      kag serve key list
    """
    from kag.server.keys import list_keys
    from kag.server.resolvers.fields import time_text

    with opened(db) as store, store.read() as connection:
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
        answer(keys)
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

    with opened(db) as store, store.write() as connection:
        revoke_key(connection, name, now=time.time())
    if as_json:
        answer({"revoked": name})
    else:
        echo(f"{name} is revoked")


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

    with opened(db) as store, store.read() as connection:
        rows = [{**row, "at": time_text(row["at"])} for row in trail(connection, last)]
    if as_json:
        answer(rows)
        return
    for row in rows:
        place = f"{row['entity']}/{row['project']}"
        echo("\t".join((row["at"], row["user"], row["action"], place, row["what"], row["detail"])))
