"""The table of features and clients in the documentation is of the features and clients of now."""

from __future__ import annotations

from tests.e2e.clients import HEAD, TABLE, cells, clients, table
from tests.e2e.wandb_versions import OLDEST

OUTCOMES = {"works", "refused in words", "refused in its log", "ignored", "-"}


def test_the_table_has_every_feature_and_every_client() -> None:
    """What stands in its cells takes an hour to find out: `make clients` does."""
    text = TABLE.read_text(encoding="utf-8")
    assert text == "\n".join([HEAD, *table(cells(text)), ""])
    assert set(cells(text).values()) <= OUTCOMES
    assert clients()[0] == OLDEST
