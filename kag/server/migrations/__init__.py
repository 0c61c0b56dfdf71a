"""Steps from one layout of the database to the next, for alembic: `versions/layout_NNNN.py` makes layout NNNN.

Whoever changes `kag/server/tables.py` adds a step; tests/server/test_migrations.py compares what the steps lead to with
what the tables are. A step says itself what its tables look like: it must do the same when the tables have gone on.
"""
