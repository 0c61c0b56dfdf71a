"""The database. Times are seconds since the epoch (UTC); JSON is kept as the text that the client sent."""

from __future__ import annotations

import sqlalchemy as sa

from kag.server.columns import (
    changed,
    key,
    maker,
    needed,
    numbered,
    owner,
    part_of,
    table,
    texts,
    times,
    words,
)
from kag.server.columns import metadata as metadata
from kag.server.tables_page import ADDRESS as ADDRESS
from kag.server.tables_page import ended_sessions as ended_sessions
from kag.server.tables_page import saved_views as saved_views
from kag.server.tables_page import tickets as tickets
from kag.server.tables_page import wrong_keys as wrong_keys

api_keys = numbered(
    "api_keys",
    needed("name", sa.String(128), unique=True),
    needed("digest", sa.String(64), unique=True),
    *times("created_at"),
    sa.Column("revoked_at", sa.Float),
    needed("role", sa.String(16), server_default="admin"),
    sa.Column("entity", sa.String(128)),
    sa.Column("project", sa.String(128)),
    sa.Column("expires_at", sa.Float),
)

secrets = table("secrets", sa.Column("name", sa.String(64), primary_key=True), needed("value", sa.Text))

audit = numbered(
    "audit",
    *times("at"),
    *words(user=128, action=64, entity=128, project=128),
    *texts("what", "detail", nullable=False),
)
"""What was deleted, stopped or steered, and by whom."""

projects = numbered(
    "projects",
    *words(entity=128, name=128),
    *texts("description", "changelog_metrics"),
    *times("created_at"),
    *(needed(name, sa.BigInteger, server_default="0") for name in ("seq", "removed")),
    sa.UniqueConstraint("entity", "name"),
)
"""`seq` is the number of the last change of a project, `removed` that of the last one that took something away."""

sweeps = numbered(
    "sweeps",
    owner("projects", "project_id"),
    needed("name", sa.String(64), unique=True),
    needed("config", sa.Text),
    needed("state", sa.String(16)),
    *texts("display_name", "description", "controller", "scheduler"),
    needed("seed", sa.BigInteger),
    maker(),
    *times("created_at", "updated_at"),
    *changed("sweeps"),
    needed("absorbed", sa.BigInteger, server_default="0"),
)
"""`absorbed` is the number of the last change of its runs that its trials have taken in; 0 if they are to be looked at
anew, one and all."""

runs = numbered(
    "runs",
    sa.Column("project_id", sa.Integer, sa.ForeignKey("projects.id", ondelete="CASCADE"), index=True),
    *words(name=128),
    sa.Column("sweep_id", sa.Integer, sa.ForeignKey("sweeps.id", ondelete="SET NULL"), index=True),
    *texts("display_name", "config", "summary", "history_keys", "tags", nullable=False),
    *texts("description", "notes", "group_name", "job_type", "host", "program", "repo", "commit"),
    *words(user=128, state=16),
    sa.Column("exit_code", sa.Integer),
    needed("should_stop", sa.Boolean),
    needed("restarted", sa.SmallInteger),
    *times("created_at", "heartbeat_at"),
    *changed("runs"),
    sa.Index("runs_of_sweep_by_change", "sweep_id", "changed"),
    sa.UniqueConstraint("project_id", "name"),
    sa.Index("runs_by_age", "project_id", "created_at", "id"),
)
"""One that was deleted and may be restored is in no project: see `kag.server.trash`."""

deleted_runs = table(
    "deleted_runs",
    key("projects", "project_id"),
    sa.Column("name", sa.String(128), primary_key=True),
    *times("deleted_at"),
)
"""Names of runs that are gone: what their processes still send is refused."""

trash = table(
    "trash",
    key("runs", "run_id"),
    part_of("projects", "project_id"),
    sa.Column("sweep_id", sa.Integer, sa.ForeignKey("sweeps.id", ondelete="SET NULL"), index=True),
    *words(user=128),
    *times("deleted_at"),
    sa.Index("trash_by_age", "project_id", "deleted_at"),
)
"""Where deleted runs were, who deleted them and when."""

HISTORY, EVENTS, OUTPUT = 0, 1, 2
"""Streams of a run."""

lines = table(
    "lines",
    key("runs", "run_id"),
    sa.Column("stream", sa.SmallInteger, primary_key=True),
    sa.Column("writer", sa.String(64), primary_key=True),
    sa.Column("line", sa.Integer, primary_key=True),
    needed("step", sa.BigInteger),
    needed("body", sa.Text),
    sa.Index("lines_by_step", "run_id", "stream", "step"),
    sqlite_with_rowid=False,
)

blobs = numbered(
    "blobs",
    needed("path", sa.String(64), unique=True),
    needed("size", sa.BigInteger),
    needed("md5", sa.String(32), index=True),
)

files = numbered(
    "files",
    owner("runs", "run_id"),
    needed("name", sa.String(1024)),
    needed("blob_id", sa.Integer, sa.ForeignKey("blobs.id")),
    *times("updated_at"),
    sa.UniqueConstraint("run_id", "name"),
)

alerts = numbered(
    "alerts",
    owner("runs", "run_id"),
    *texts("title", "text", nullable=False),
    *words(level=16),
    *times("wait", "created_at"),
)

agents = numbered(
    "agents",
    owner("sweeps", "sweep_id"),
    needed("name", sa.String(64), unique=True),
    needed("host", sa.Text),
    maker(),
    *times("created_at", "heartbeat_at"),
)

FROM_BEFORE = sa.text("attempt = 0")
"""A trial whose run was there before its sweep."""

trials = table(
    "trials",
    key("sweeps", "sweep_id"),
    sa.Column("number", sa.Integer, primary_key=True),
    *words(digest=64, state=16),
    sa.Column("run", sa.String(128), index=True),
    needed("body", sa.Text),
    sa.Column("holder", sa.String(64), index=True),
    sa.Column("lease_until", sa.Float),
    *(needed(name, sa.Integer, server_default="0") for name in ("attempt", "failures")),
    sa.Column("result", sa.Float),
    sa.Index("trials_by_lease", "sweep_id", "lease_until"),
    sa.Index("trials_by_state", "sweep_id", "state", "failures"),
    sa.Index("trials_by_digest", "sweep_id", "digest"),
    sa.Index("trials_from_before", "sweep_id", sqlite_where=FROM_BEFORE, postgresql_where=FROM_BEFORE),
)
"""What is asked of many trials at once has a column: the `holder` of one that is leased; until when, which `body` does
not know; its `result`, where that is a finite number."""

bands = table(
    "bands",
    key("sweeps", "sweep_id"),
    sa.Column("band", sa.Integer, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    *times("loss"),
    sa.Index("bands_by_loss", "sweep_id", "band", "loss"),
)
"""What trials had reached at the bands of hyperband; see `kag.sweep.stop`."""

attempts = table(
    "attempts",
    key("sweeps", "sweep_id"),
    sa.Column("run", sa.String(128), primary_key=True),
    needed("number", sa.Integer),
    needed("agent", sa.String(64)),
)

artifact_types = numbered(
    "artifact_types",
    owner("projects", "project_id"),
    *words(name=128),
    *texts("description"),
    *times("created_at"),
    sa.UniqueConstraint("project_id", "name"),
)

collections = numbered(
    "collections",
    owner("projects", "project_id"),
    *words(kind=16, type=128, name=256),
    *texts("description"),
    needed("next_version", sa.Integer),
    maker(),
    *times("created_at"),
    sa.UniqueConstraint("project_id", "name"),
)

collection_tags = numbered(
    "collection_tags",
    owner("collections", "collection_id"),
    *words(name=256),
    sa.UniqueConstraint("collection_id", "name"),
)

COMMITTED, PENDING = "COMMITTED", "PENDING"
"""States of an artifact: all of it has arrived, or not yet."""

artifacts = numbered(
    "artifacts",
    owner("collections", "collection_id"),
    *words(digest=256, state=16),
    maker(),
    *texts("description", "metadata"),
    sa.Column("distributed_id", sa.String(256), index=True),
    sa.Column("wanted_aliases", sa.Text),
    sa.Column("ttl_seconds", sa.BigInteger, index=True),
    sa.Column("history_step", sa.BigInteger),
    sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id", ondelete="SET NULL"), index=True),
    *times("created_at", "updated_at"),
)

artifact_clients = table(
    "artifact_clients",
    sa.Column("client_id", sa.String(256), primary_key=True),
    owner("artifacts", "artifact_id"),
)

memberships = numbered(
    "memberships",
    part_of("collections", "collection_id"),
    owner("artifacts", "artifact_id"),
    needed("version", sa.Integer),
    *times("created_at"),
    sa.UniqueConstraint("collection_id", "artifact_id"),
    sa.UniqueConstraint("collection_id", "version"),
)

aliases = numbered(
    "aliases",
    owner("memberships", "membership_id"),
    part_of("collections", "collection_id"),
    needed("alias", sa.String(256)),
    sa.UniqueConstraint("collection_id", "alias"),
)

artifact_tags = numbered(
    "artifact_tags",
    owner("artifacts", "artifact_id"),
    needed("name", sa.String(256)),
    sa.UniqueConstraint("artifact_id", "name"),
)

manifests = numbered(
    "manifests",
    owner("artifacts", "artifact_id"),
    *words(name=256, digest=256, type=16),
    sa.Column("base_id", sa.Integer),
    sa.Column("blob_id", sa.Integer, sa.ForeignKey("blobs.id")),
)

artifact_files = numbered(
    "artifact_files",
    owner("artifacts", "artifact_id"),
    *words(name=1024, md5=256),
    sa.Column("blob_id", sa.Integer, sa.ForeignKey("blobs.id"), index=True),
    sa.UniqueConstraint("artifact_id", "name"),
)

artifact_uses = table("artifact_uses", key("artifacts", "artifact_id"), key("runs", "run_id"))

artifact_outputs = table("artifact_outputs", key("artifacts", "artifact_id"), key("runs", "run_id"))
