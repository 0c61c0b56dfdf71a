"""Questions about a project that W&B's server and kag's answer alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any


class Project(ABC):
    """A project of a server that speaks W&B's GraphQL.

    Args:
        entity: user or team.
        project: its name.
    """

    def __init__(self, entity: str, project: str) -> None:
        self.entity = entity
        self.project = project

    @abstractmethod
    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """What the server answers to a GraphQL request.

        Raises:
            NotTaken: it refuses it, or does not answer.
        """

    def fields(self, fields: str, kinds: str = "", **variables: Any) -> dict[str, Any] | None:
        """Fields of the project; None if there is none.

        Args:
            fields: as GraphQL.
            kinds: declares what they ask for beside entity and project: `$r: String!`.
            variables: values for that.

        Raises:
            NotTaken: as `ask`.
        """
        query = f"query($e: String!, $p: String! {kinds}) {{ project(name: $p, entityName: $e) {{ {fields} }} }}"
        found: dict[str, Any] | None = self.ask(query, e=self.entity, p=self.project, **variables).get("project")
        return found

    def pages(self, fields: str, node: str, kinds: str = "", **variables: Any) -> Iterator[dict[str, Any]]:
        """Edges of a connection, page after page; none if there is nothing of it.

        Args:
            fields: the way to the connection, with `PAGE` in its place, as in `run(name: $r) { PAGE }`; that stands
                behind `page: files(first: 100, after: $after)`, say.
            node: fields of an edge.
            kinds: as for `fields`.
            variables: as for `fields`.

        Raises:
            NotTaken: as `ask`.
        """
        body = f"{{ edges {{ {node} }} pageInfo {{ hasNextPage endCursor }} }}"
        whole, after = fields.replace("PAGE", body), None
        while True:
            found = self.fields(whole, f"$after: String {kinds}", after=after, **variables)
            while found is not None and "page" not in found:
                found = next(iter(found.values()), None)
            if found is None or found["page"] is None:
                return
            yield from found["page"]["edges"]
            if not found["page"]["pageInfo"]["hasNextPage"]:
                return
            after = found["page"]["pageInfo"]["endCursor"]
