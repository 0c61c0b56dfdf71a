"""Record every GraphQL document that a wandb client can send: its sources and its service process are read, never run.

    python -m tests.server.documents.record 0.18.7 0.31.0

Python composes documents from parts (`format`, f-strings, `replace`, `join`), some by what the server says of itself.
Here an expression stands for every text that it can become, and those that are documents are kept. What only drops or
renames parts of a document that is recorded whole (`gql_compat`) is not followed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from graphql import GraphQLSyntaxError, parse, print_ast, strip_ignored_characters
from graphql.language.ast import DocumentNode, OperationDefinitionNode

from tests.e2e.wandb_versions import python_with
from tests.server.documents.sources import BEGINNING, module

FILE = Path(__file__).parent / "documents.txt"
PLACE = re.compile(r"\b_[A-Za-z]+(_[A-Za-z]+)*_\b|\bID_(TYPE|VALUE)\b|_PROJECT_QUERY_")
"""What the older clients replace in a template: a text that still holds one is not sent."""


def recorded() -> dict[str, list[str]]:
    """Document -> versions of the client that send it."""
    lines = (line.split("\t") for line in FILE.read_text().splitlines())
    return {document: versions.split() for document, versions in lines}


def of_python(package: Path) -> Iterator[str]:
    """Texts in the Python sources that might be documents."""
    for path in sorted(package.rglob("*.py")):
        if "vendor" not in path.relative_to(package).parts and BEGINNING.search(path.read_text()):
            yield from module(package.parent, path).documents()


def of_service(binary: Path) -> Iterator[str]:
    """Documents that the service process holds as texts: an operation and the fragments behind it."""
    content = binary.read_bytes()
    for match in re.finditer(rb"\n(?:query|mutation) [A-Za-z_]\w* ?(?:\([^(){}]*\) ?)?(?={)", content):
        end = closed(content, match.end())
        while content.startswith(b"\nfragment ", end):
            end = closed(content, end)
        yield content[match.start() : end].decode()


def closed(content: bytes, start: int) -> int:
    """The position behind the bracket that closes the first one from a position on."""
    depth = 0
    for match in re.compile(rb"[{}]").finditer(content, start):
        depth += 1 if match[0] == b"{" else -1
        if depth == 0:
            return match.end()
    raise ValueError("the document has no end")


def document(text: str) -> str | None:
    """A text as a document in its shortest form; None if it is none, or none with an operation."""
    try:
        parsed = parse(text, no_location=True)
    except GraphQLSyntaxError:
        return None
    operations = [one for one in parsed.definitions if isinstance(one, OperationDefinitionNode)]
    if PLACE.search(text) or not operations or not agrees(parsed):
        return None
    return strip_ignored_characters(print_ast(parsed))


def agrees(parsed: DocumentNode) -> bool:
    """Whether a document uses all that it declares and nothing else: parts that are never sent together do not."""
    declared: dict[str, set[str]] = {"variable": set(), "fragment": set()}
    used: dict[str, set[str]] = {"variable": set(), "fragment": set()}
    for text in map(print_ast, parsed.definitions):
        head = re.match(r"fragment (\w+)", text)
        declared["fragment"].update(head.groups() if head else ())
        declared["variable"].update(re.findall(r"\$(\w+): ", text))
        used["variable"].update(re.findall(r"\$(\w+)\b(?!: )", text))
        used["fragment"].update(re.findall(r"\.\.\.(?!on )(\w+)", text))
    return declared == used


def documents(version: str) -> set[str]:
    """All documents of a version of the client."""
    package = next(python_with(version).parents[1].glob("lib/python*/site-packages/wandb"))
    texts = {*of_python(package), *of_service(package / "bin" / "wandb-core")}
    return {found for found in map(document, texts) if found is not None}


def main(versions: list[str]) -> None:
    """Record the documents of these versions, in place of what was recorded."""
    senders: dict[str, list[str]] = {}
    for version in versions:
        for one in documents(version):
            senders.setdefault(one, []).append(version)
    FILE.write_text("".join(f"{one}\t{' '.join(sent_by)}\n" for one, sent_by in sorted(senders.items())))


if __name__ == "__main__":
    main(sys.argv[1:])
