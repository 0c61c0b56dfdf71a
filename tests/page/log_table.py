"""What the table of the change log holds on its page."""

from __future__ import annotations

import re

NUMBER = r'<td class="num" data-heading="(.*?)">(.*?)</td>'


def cells_of(page: str) -> list[list[str]]:
    """Heads and numbers of the change log, row by row; each number says under which head it stands."""
    heads = re.findall(r'<th scope="col" class="num">(.*?)</th>', page)
    rows = [re.findall(NUMBER, row) for row in re.findall(r"<tr data-.*?</tr>", page, re.DOTALL)]
    assert all([head for head, _ in row] == heads for row in rows)
    return [heads, *([re.sub("<.*?>", "", cell) for _, cell in row] for row in rows)]
