"""The database. Times are seconds since the epoch (UTC); JSON is kept as the text that the client sent."""

from __future__ import annotations

from functools import partial
from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData()


def _table(name: str, *parts: sa.schema.SchemaItem, **options: Any) -> sa.Table:
    return sa.Table(name, metadata, *parts, **options)


def _numbered(name: str, *parts: sa.schema.SchemaItem) -> sa.Table:
    """A table whose rows have a number, which no later row gets again."""
    number = sa.Column("id", sa.Integer, primary_key=True, autoincrement=True)
    return _table(name, number, *parts, sqlite_autoincrement=True)


def _part_of(table: str, name: str, **options: Any) -> sa.Column[int]:
    """The row that a row belongs to, and goes with."""
    return sa.Column(name, sa.Integer, sa.ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=False, **options)


_owner = partial(_part_of, index=True)
_key = partial(_part_of, primary_key=True)
_needed = partial(sa.Column, nullable=False)


def _texts(*names: str, nullable: bool = True) -> list[sa.Column[str]]:
    """Texts of any length."""
    return [sa.Column(name, sa.Text, nullable=nullable) for name in names]


def _words(**lengths: int) -> list[sa.Column[str]]:
    """Texts that every row has, by the letters that they may have at most."""
    return [_needed(name, sa.String(length)) for name, length in lengths.items()]


def _times(*names: str) -> list[sa.Column[float]]:
    return [_needed(name, sa.Float) for name in names]


def _changed(table: str) -> list[sa.schema.SchemaItem]:
    """Number of the change that a row is as it was left by, among those of its project; 0 until that has one."""
    unnumbered = sa.text("changed = 0")
    return [
        _needed("changed", sa.BigInteger, default=0, onupdate=0, server_default="0"),
        sa.Index(f"{table}_by_change", "project_id", "changed"),
        sa.Index(f"{table}_unnumbered", "project_id", sqlite_where=unnumbered, postgresql_where=unnumbered),
    ]


def _maker() -> sa.Column[str]:
    """Name of the key that made a row; "" for those of before keys had roles, when nobody asked."""
    return _needed("user", sa.String(128), server_default="")


api_keys = _numbered(
    "api_keys",
    _needed("name", sa.String(128), unique=True),
    _needed("digest", sa.String(64), unique=True),
    *_times("created_at"),
    sa.Column("revoked_at", sa.Float),
    _needed("role", sa.String(16), server_default="admin"),
    sa.Column("entity", sa.String(128)),
    sa.Column("project", sa.String(128)),
    sa.Column("expires_at", sa.Float),
)

secrets = _table("secrets", sa.Column("name", sa.String(64), primary_key=True), _needed("value", sa.Text))

tickets = _table("tickets", sa.Column("digest", sa.String(64), primary_key=True), *_words(user=128), *_times("until"))
"""Log-ins to the page that somebody may take up once."""
ended_sessions = _table("ended_sessions", sa.Column("id", sa.String(32), primary_key=True), *_times("until"))
"""Log-ins to the page that somebody has ended before their time."""

ADDRESS = 64
"""Letters of the address of a sender that are kept."""

wrong_keys = _numbered("wrong_keys", _needed("address", sa.String(ADDRESS), index=True), *_times("at"))
"""Attempts to log in to the page, as far as they still count."""

audit = _numbered(
    "audit",
    *_times("at"),
    *_words(user=128, action=64, entity=128, project=128),
    *_texts("what", "detail", nullable=False),
)
"""What was deleted, stopped or steered, and by whom."""

projects = _numbered(
    "projects",
    *_words(entity=128, name=128),
    *_texts("description", "changelog_metrics"),
    *_times("created_at"),
    *(_needed(name, sa.BigInteger, server_default="0") for name in ("seq", "removed")),
    sa.UniqueConstraint("entity", "name"),
)
"""`seq` is the number of the last change of a project, `removed` that of the last one that took something away."""

sweeps = _numbered(
    "sweeps",
    _owner("projects", "project_id"),
    _needed("name", sa.String(64), unique=True),
    _needed("config", sa.Text),
    _needed("state", sa.String(16)),
    *_texts("display_name", "description", "controller", "scheduler"),
    _needed("seed", sa.BigInteger),
    _maker(),
    *_times("created_at", "updated_at"),
    *_changed("sweeps"),
)

runs = _numbered(
    "runs",
    _owner("projects", "project_id"),
    *_words(name=128),
    sa.Column("sweep_id", sa.Integer, sa.ForeignKey("sweeps.id", ondelete="SET NULL"), index=True),
    *_texts("display_name", "config", "summary", "history_keys", "tags", nullable=False),
    *_texts("description", "notes", "group_name", "job_type", "host", "program", "repo", "commit"),
    *_words(user=128, state=16),
    sa.Column("exit_code", sa.Integer),
    _needed("should_stop", sa.Boolean),
    _needed("restarted", sa.SmallInteger),
    *_times("created_at", "heartbeat_at"),
    *_changed("runs"),
    sa.UniqueConstraint("project_id", "name"),
    sa.Index("runs_by_age", "project_id", "created_at", "id"),
)

deleted_runs = _table(
    "deleted_runs",
    _key("projects", "project_id"),
    sa.Column("name", sa.String(128), primary_key=True),
    *_times("deleted_at"),
)

HISTORY, EVENTS, OUTPUT = 0, 1, 2
"""Streams of a run."""

lines = _table(
    "lines",
    _key("runs", "run_id"),
    sa.Column("stream", sa.SmallInteger, primary_key=True),
    sa.Column("writer", sa.String(64), primary_key=True),
    sa.Column("line", sa.Integer, primary_key=True),
    _needed("step", sa.BigInteger),
    _needed("body", sa.Text),
    sa.Index("lines_by_step", "run_id", "stream", "step"),
    sqlite_with_rowid=False,
)

blobs = _numbered(
    "blobs",
    _needed("path", sa.String(64), unique=True),
    _needed("size", sa.BigInteger),
    _needed("md5", sa.String(32), index=True),
)

files = _numbered(
    "files",
    _owner("runs", "run_id"),
    _needed("name", sa.String(1024)),
    _needed("blob_id", sa.Integer, sa.ForeignKey("blobs.id")),
    *_times("updated_at"),
    sa.UniqueConstraint("run_id", "name"),
)

alerts = _numbered(
    "alerts",
    _owner("runs", "run_id"),
    *_texts("title", "text", nullable=False),
    *_words(level=16),
    *_times("wait", "created_at"),
)

agents = _numbered(
    "agents",
    _owner("sweeps", "sweep_id"),
    _needed("name", sa.String(64), unique=True),
    _needed("host", sa.Text),
    _maker(),
    *_times("created_at", "heartbeat_at"),
)

trials = _table(
    "trials",
    _key("sweeps", "sweep_id"),
    sa.Column("number", sa.Integer, primary_key=True),
    *_words(digest=64, state=16),
    sa.Column("run", sa.String(128), index=True),
    _needed("body", sa.Text),
)

attempts = _table(
    "attempts",
    _key("sweeps", "sweep_id"),
    sa.Column("run", sa.String(128), primary_key=True),
    _needed("number", sa.Integer),
    _needed("agent", sa.String(64)),
)

artifact_types = _numbered(
    "artifact_types",
    _owner("projects", "project_id"),
    *_words(name=128),
    *_texts("description"),
    *_times("created_at"),
    sa.UniqueConstraint("project_id", "name"),
)

collections = _numbered(
    "collections",
    _owner("projects", "project_id"),
    *_words(kind=16, type=128, name=256),
    *_texts("description"),
    _needed("next_version", sa.Integer),
    _maker(),
    *_times("created_at"),
    sa.UniqueConstraint("project_id", "name"),
)

collection_tags = _numbered(
    "collection_tags",
    _owner("collections", "collection_id"),
    *_words(name=256),
    sa.UniqueConstraint("collection_id", "name"),
)

COMMITTED, PENDING = "COMMITTED", "PENDING"
"""States of an artifact: all of it has arrived, or not yet."""

artifacts = _numbered(
    "artifacts",
    _owner("collections", "collection_id"),
    *_words(digest=256, state=16),
    _maker(),
    *_texts("description", "metadata"),
    sa.Column("distributed_id", sa.String(256), index=True),
    sa.Column("wanted_aliases", sa.Text),
    sa.Column("ttl_seconds", sa.BigInteger, index=True),
    sa.Column("history_step", sa.BigInteger),
    sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id", ondelete="SET NULL"), index=True),
    *_times("created_at", "updated_at"),
)

artifact_clients = _table(
    "artifact_clients",
    sa.Column("client_id", sa.String(256), primary_key=True),
    _owner("artifacts", "artifact_id"),
)

memberships = _numbered(
    "memberships",
    _part_of("collections", "collection_id"),
    _owner("artifacts", "artifact_id"),
    _needed("version", sa.Integer),
    *_times("created_at"),
    sa.UniqueConstraint("collection_id", "artifact_id"),
    sa.UniqueConstraint("collection_id", "version"),
)

aliases = _numbered(
    "aliases",
    _owner("memberships", "membership_id"),
    _part_of("collections", "collection_id"),
    _needed("alias", sa.String(256)),
    sa.UniqueConstraint("collection_id", "alias"),
)

artifact_tags = _numbered(
    "artifact_tags",
    _owner("artifacts", "artifact_id"),
    _needed("name", sa.String(256)),
    sa.UniqueConstraint("artifact_id", "name"),
)

manifests = _numbered(
    "manifests",
    _owner("artifacts", "artifact_id"),
    *_words(name=256, digest=256, type=16),
    sa.Column("base_id", sa.Integer),
    sa.Column("blob_id", sa.Integer, sa.ForeignKey("blobs.id")),
)

artifact_files = _numbered(
    "artifact_files",
    _owner("artifacts", "artifact_id"),
    *_words(name=1024, md5=256),
    sa.Column("blob_id", sa.Integer, sa.ForeignKey("blobs.id"), index=True),
    sa.UniqueConstraint("artifact_id", "name"),
)

artifact_uses = _table("artifact_uses", _key("artifacts", "artifact_id"), _key("runs", "run_id"))

artifact_outputs = _table("artifact_outputs", _key("artifacts", "artifact_id"), _key("runs", "run_id"))
