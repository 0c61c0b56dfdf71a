"""The database. Times are seconds since the epoch (UTC); JSON is kept as the text that the client sent."""

from __future__ import annotations

import sqlalchemy as sa

from kag.server.columns import changed as _changed
from kag.server.columns import key as _key
from kag.server.columns import maker as _maker
from kag.server.columns import metadata as metadata
from kag.server.columns import needed as _needed
from kag.server.columns import numbered as _numbered
from kag.server.columns import owner as _owner
from kag.server.columns import part_of as _part_of
from kag.server.columns import table as _table
from kag.server.columns import texts as _texts
from kag.server.columns import times as _times
from kag.server.columns import words as _words

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
    _needed("absorbed", sa.BigInteger, server_default="0"),
)
"""`absorbed` is the number of the last change of its runs that its trials have taken in; 0 if they are to be looked at
anew, one and all."""

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
    sa.Index("runs_of_sweep_by_change", "sweep_id", "changed"),
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

FROM_BEFORE = sa.text("attempt = 0")
"""A trial whose run was there before its sweep."""

trials = _table(
    "trials",
    _key("sweeps", "sweep_id"),
    sa.Column("number", sa.Integer, primary_key=True),
    *_words(digest=64, state=16),
    sa.Column("run", sa.String(128), index=True),
    _needed("body", sa.Text),
    sa.Column("holder", sa.String(64), index=True),
    sa.Column("lease_until", sa.Float),
    *(_needed(name, sa.Integer, server_default="0") for name in ("attempt", "failures")),
    sa.Column("result", sa.Float),
    sa.Index("trials_by_lease", "sweep_id", "lease_until"),
    sa.Index("trials_by_state", "sweep_id", "state", "failures"),
    sa.Index("trials_by_digest", "sweep_id", "digest"),
    sa.Index("trials_from_before", "sweep_id", sqlite_where=FROM_BEFORE, postgresql_where=FROM_BEFORE),
)
"""What is asked of many trials at once has a column: the `holder` of one that is leased; until when, which `body` does
not know; its `result`, where that is a finite number."""

bands = _table(
    "bands",
    _key("sweeps", "sweep_id"),
    sa.Column("band", sa.Integer, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    *_times("loss"),
    sa.Index("bands_by_loss", "sweep_id", "band", "loss"),
)
"""What trials had reached at the bands of hyperband; see `kag.sweep.stop`."""

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
