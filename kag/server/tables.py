"""The database. Times are seconds since the epoch (UTC); JSON is kept as the text that the client sent."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()


def _id() -> Column[int]:
    return Column("id", Integer, primary_key=True, autoincrement=True)


def _owner(table: str, name: str) -> Column[int]:
    return Column(name, Integer, ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=False, index=True)


api_keys = Table(
    "api_keys",
    metadata,
    _id(),
    Column("name", String(128), unique=True, nullable=False),
    Column("digest", String(64), unique=True, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
)

secrets = Table(
    "secrets", metadata, Column("name", String(64), primary_key=True), Column("value", Text, nullable=False)
)

projects = Table(
    "projects",
    metadata,
    _id(),
    Column("entity", String(128), nullable=False),
    Column("name", String(128), nullable=False),
    Column("description", Text),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("entity", "name"),
)

sweeps = Table(
    "sweeps",
    metadata,
    _id(),
    _owner("projects", "project_id"),
    Column("name", String(64), nullable=False, unique=True),
    Column("config", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("display_name", Text),
    Column("description", Text),
    Column("controller", Text),
    Column("scheduler", Text),
    Column("seed", BigInteger, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    _id(),
    _owner("projects", "project_id"),
    Column("name", String(128), nullable=False),
    Column("sweep_id", Integer, ForeignKey("sweeps.id", ondelete="SET NULL"), index=True),
    Column("display_name", Text, nullable=False),
    Column("description", Text),
    Column("notes", Text),
    Column("config", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("history_keys", Text, nullable=False),
    Column("group_name", Text),
    Column("job_type", Text),
    Column("tags", Text, nullable=False),
    Column("user", String(128), nullable=False),
    Column("host", Text),
    Column("program", Text),
    Column("repo", Text),
    Column("commit", Text),
    Column("state", String(16), nullable=False),
    Column("exit_code", Integer),
    Column("should_stop", Boolean, nullable=False),
    Column("restarted", SmallInteger, nullable=False),
    Column("resume_asked_at", Float),
    Column("created_at", Float, nullable=False),
    Column("heartbeat_at", Float, nullable=False),
    UniqueConstraint("project_id", "name"),
)

HISTORY, EVENTS, OUTPUT = 0, 1, 2
"""Streams of a run."""

lines = Table(
    "lines",
    metadata,
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("stream", SmallInteger, primary_key=True),
    Column("writer", String(64), primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("step", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Index("lines_by_step", "run_id", "stream", "step"),
    sqlite_with_rowid=False,
)

blobs = Table(
    "blobs",
    metadata,
    _id(),
    Column("path", String(64), nullable=False, unique=True),
    Column("size", BigInteger, nullable=False),
    Column("md5", String(32), nullable=False),
)

files = Table(
    "files",
    metadata,
    _id(),
    _owner("runs", "run_id"),
    Column("name", String(1024), nullable=False),
    Column("blob_id", Integer, ForeignKey("blobs.id"), nullable=False),
    Column("updated_at", Float, nullable=False),
    UniqueConstraint("run_id", "name"),
)

agents = Table(
    "agents",
    metadata,
    _id(),
    _owner("sweeps", "sweep_id"),
    Column("name", String(64), nullable=False, unique=True),
    Column("host", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("heartbeat_at", Float, nullable=False),
)

trials = Table(
    "trials",
    metadata,
    Column("sweep_id", Integer, ForeignKey("sweeps.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("run", String(128), index=True),
    Column("body", Text, nullable=False),
)

attempts = Table(
    "attempts",
    metadata,
    Column("sweep_id", Integer, ForeignKey("sweeps.id", ondelete="CASCADE"), primary_key=True),
    Column("run", String(128), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("agent", String(64), nullable=False),
)

collections = Table(
    "collections",
    metadata,
    _id(),
    _owner("projects", "project_id"),
    Column("type", String(128), nullable=False),
    Column("name", String(256), nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("project_id", "name"),
)

artifacts = Table(
    "artifacts",
    metadata,
    _id(),
    _owner("collections", "collection_id"),
    Column("version", Integer),
    Column("digest", String(256), nullable=False),
    Column("state", String(16), nullable=False),
    Column("description", Text),
    Column("metadata", Text),
    Column("client_id", String(256), index=True),
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="SET NULL")),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
)

aliases = Table(
    "aliases",
    metadata,
    _id(),
    _owner("artifacts", "artifact_id"),
    Column("collection_id", Integer, ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
    Column("alias", String(256), nullable=False),
    UniqueConstraint("collection_id", "alias"),
)

artifact_tags = Table(
    "artifact_tags",
    metadata,
    _id(),
    _owner("artifacts", "artifact_id"),
    Column("name", String(256), nullable=False),
    UniqueConstraint("artifact_id", "name"),
)

manifests = Table(
    "manifests",
    metadata,
    _id(),
    _owner("artifacts", "artifact_id"),
    Column("name", String(256), nullable=False),
    Column("digest", String(256), nullable=False),
    Column("blob_id", Integer, ForeignKey("blobs.id")),
)

artifact_files = Table(
    "artifact_files",
    metadata,
    _id(),
    _owner("artifacts", "artifact_id"),
    Column("name", String(1024), nullable=False),
    Column("md5", String(256), nullable=False),
    Column("blob_id", Integer, ForeignKey("blobs.id")),
    UniqueConstraint("artifact_id", "name"),
)

artifact_uses = Table(
    "artifact_uses",
    metadata,
    Column("artifact_id", Integer, ForeignKey("artifacts.id", ondelete="CASCADE"), primary_key=True),
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
)
