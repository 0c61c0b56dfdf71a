"""Layout 1, of part 8, from that of parts 6 and 7, which had no version.

Versions of artifacts become members of collections, which number them; runs begin without the memory of a question;
alerts, tickets and deleted runs are kept; a row's number is never given to another row.

A later kag that opened such a database made the tables that it lacked, beside old ones that it could not use. They are
as they are made here, so they are taken as they are.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NUMBERED = ("api_keys", "projects", "sweeps", "blobs", "files", "agents", "artifact_tags")
"""Tables of which nothing changes but that SQLite is to number their rows for good."""


def upgrade() -> None:
    """From the layout without a version."""
    _number_for_good()
    _add_tables()
    _change_collections()
    _change_artifacts()
    _change_aliases()
    _change_manifests()
    with _altered("runs") as table:
        table.drop_column("resume_asked_at")
    op.create_index("ix_blobs_md5", "blobs", ["md5"])
    with _altered("artifact_files") as table:
        table.create_index("ix_artifact_files_blob_id", ["blob_id"])


def _altered(name: str) -> Any:
    """SQLite alters a table by making it anew, and then numbers its rows for good; PostgreSQL does that anyway."""
    lite = op.get_bind().dialect.name == "sqlite"
    options = {"sqlite_autoincrement": True}
    return op.batch_alter_table(name, recreate="always" if lite else "never", table_kwargs=options)


def _number_for_good() -> None:
    for name in NUMBERED:
        with _altered(name):
            pass


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.Integer, primary_key=True, autoincrement=True)


def _part_of(table: str, name: str, **options: Any) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, sa.ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=False, **options)


def _moment(name: str) -> sa.Column[float]:
    return sa.Column(name, sa.Float, nullable=False)


def _word(name: str, length: int, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=False, **options)


def _add(name: str, *parts: sa.schema.SchemaItem, index: str | None = None, **options: Any) -> None:
    op.create_table(name, *parts, if_not_exists=True, **options)
    if index is not None:
        op.create_index(f"ix_{name}_{index}", name, [index], if_not_exists=True)


def _add_tables() -> None:
    numbered: dict[str, Any] = {"sqlite_autoincrement": True}
    _add("tickets", sa.Column("digest", sa.String(64), primary_key=True), _word("user", 128), _moment("until"))
    _add(
        "deleted_runs",
        _part_of("projects", "project_id", primary_key=True),
        sa.Column("name", sa.String(128), primary_key=True),
        _moment("deleted_at"),
    )
    texts = [sa.Column(name, sa.Text, nullable=False) for name in ("title", "text")]
    times = [_moment("wait"), _moment("created_at")]
    _add("alerts", _id(), _part_of("runs", "run_id"), *texts, _word("level", 16), *times, index="run_id", **numbered)
    _add(
        "artifact_types",
        _id(),
        _part_of("projects", "project_id"),
        _word("name", 128),
        sa.Column("description", sa.Text),
        _moment("created_at"),
        sa.UniqueConstraint("project_id", "name"),
        index="project_id",
        **numbered,
    )
    _add(
        "collection_tags",
        _id(),
        _part_of("collections", "collection_id"),
        _word("name", 256),
        sa.UniqueConstraint("collection_id", "name"),
        index="collection_id",
        **numbered,
    )
    client = sa.Column("client_id", sa.String(256), primary_key=True)
    _add("artifact_clients", client, _part_of("artifacts", "artifact_id"), index="artifact_id")
    _add(
        "memberships",
        _id(),
        _part_of("collections", "collection_id"),
        _part_of("artifacts", "artifact_id"),
        sa.Column("version", sa.Integer, nullable=False),
        _moment("created_at"),
        sa.UniqueConstraint("collection_id", "artifact_id"),
        sa.UniqueConstraint("collection_id", "version"),
        index="artifact_id",
        **numbered,
    )
    _add("artifact_outputs", *(_part_of(f"{one}s", f"{one}_id", primary_key=True) for one in ("artifact", "run")))


def _change_collections() -> None:
    """Every collection is a sequence, and goes on behind its highest number; its type is a row of its own."""
    with _altered("collections") as table:
        table.add_column(sa.Column("kind", sa.String(16)))
        table.add_column(sa.Column("description", sa.Text))
        table.add_column(sa.Column("next_version", sa.Integer))
    op.execute(
        "UPDATE collections SET kind = 'SEQUENCE', next_version = "
        "(SELECT COALESCE(MAX(version), -1) + 1 FROM artifacts WHERE collection_id = collections.id)"
    )
    with _altered("collections") as table:
        table.alter_column("kind", existing_type=sa.String(16), nullable=False)
        table.alter_column("next_version", existing_type=sa.Integer(), nullable=False)
    op.execute(
        "INSERT INTO artifact_types (project_id, name, created_at) "
        "SELECT project_id, type, MIN(created_at) FROM collections GROUP BY project_id, type ORDER BY MIN(id)"
    )


def _change_artifacts() -> None:
    op.execute(
        "INSERT INTO memberships (collection_id, artifact_id, version, created_at) "
        "SELECT collection_id, id, version, created_at FROM artifacts WHERE version IS NOT NULL ORDER BY id"
    )
    op.execute(
        "INSERT INTO artifact_clients (client_id, artifact_id) "
        "SELECT client_id, MIN(id) FROM artifacts WHERE client_id IS NOT NULL GROUP BY client_id"
    )
    op.drop_index("ix_artifacts_client_id", "artifacts")
    with _altered("artifacts") as table:
        table.add_column(sa.Column("distributed_id", sa.String(256)))
        table.add_column(sa.Column("wanted_aliases", sa.Text))
        table.add_column(sa.Column("ttl_seconds", sa.BigInteger))
        table.add_column(sa.Column("history_step", sa.BigInteger))
        table.drop_column("version")
        table.drop_column("client_id")
    for column in ("distributed_id", "ttl_seconds", "run_id"):
        op.create_index(f"ix_artifacts_{column}", "artifacts", [column])


def _change_aliases() -> None:
    """An alias is of a member. That of a version which has not arrived waits with it, and none hides a number: `v3`.

    Where one that never arrived had taken `latest`, that is the newest which did.
    """
    connection = op.get_bind()
    given = connection.execute(sa.text("SELECT artifact_id, collection_id, alias FROM aliases ORDER BY id")).all()
    found = connection.execute(sa.text("SELECT id, artifact_id, collection_id FROM memberships ORDER BY version")).all()
    member = {row.artifact_id: row.id for row in found}
    op.drop_table("aliases")
    _add(
        "aliases",
        _id(),
        _part_of("memberships", "membership_id"),
        _part_of("collections", "collection_id"),
        _word("alias", 256),
        sa.UniqueConstraint("collection_id", "alias"),
        index="membership_id",
        sqlite_autoincrement=True,
    )
    waiting = defaultdict[int, list[str]](list)
    pointed = dict[tuple[int, str], int]()
    for row in given:
        if row.artifact_id not in member:
            waiting[row.artifact_id].append(row.alias)
        elif not (row.alias[:1] == "v" and row.alias[1:].isdecimal()):
            pointed[row.collection_id, row.alias] = member[row.artifact_id]
    for collection_id, newest in {row.collection_id: row.id for row in found}.items():
        pointed.setdefault((collection_id, "latest"), newest)
    rows = [
        {"membership_id": number, "collection_id": owner, "alias": alias} for (owner, alias), number in pointed.items()
    ]
    columns: list[Any] = [sa.column(name) for name in ("membership_id", "collection_id", "alias")]
    op.bulk_insert(sa.table("aliases", *columns), rows)
    for number, names in waiting.items():
        keep = sa.text("UPDATE artifacts SET wanted_aliases = :names WHERE id = :number")
        connection.execute(keep, {"names": json.dumps(names), "number": number})


def _change_manifests() -> None:
    with _altered("manifests") as table:
        table.add_column(sa.Column("type", sa.String(16)))
        table.add_column(sa.Column("base_id", sa.Integer))
    op.execute("UPDATE manifests SET type = 'FULL'")
    with _altered("manifests") as table:
        table.alter_column("type", existing_type=sa.String(16), nullable=False)
