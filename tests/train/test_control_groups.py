from __future__ import annotations

from pathlib import Path

import pytest

from kag.train.control_groups import memory_limit

GIB = 2**30


@pytest.mark.parametrize(
    ("groups", "files", "limit"),
    [
        ("0::/\n", {"memory.max": f"{4 * GIB}\n"}, 4 * GIB),
        ("0::/\n", {"memory.max": "max\n"}, None),
        ("0::/\n", {}, None),
        ("0::/slurm/job/step\n", {"slurm/job/memory.max": str(GIB), "slurm/job/step/memory.max": "max"}, GIB),
        ("0::/a/b\n", {"a/memory.max": str(3 * GIB), "a/b/memory.max": str(2 * GIB)}, 2 * GIB),
        # A container whose tree begins at itself, with the host's path.
        ("5:cpu,memory:/docker/1f\n0::/\n", {"memory/memory.limit_in_bytes": str(GIB)}, GIB),
        ("4:memory:/job\n", {"memory/memory.limit_in_bytes": "9223372036854771712"}, 9223372036854771712),
        ("3:cpuset:/memory\n", {"memory/memory.limit_in_bytes": str(GIB)}, None),
    ],
)
def test_the_tightest_limit_counts(tmp_path: Path, groups: str, files: dict[str, str], limit: int | None) -> None:
    process, trees = tmp_path / "cgroup", tmp_path / "trees"
    process.write_text(groups)
    for name, text in files.items():
        (trees / name).parent.mkdir(parents=True, exist_ok=True)
        (trees / name).write_text(text)
    assert memory_limit(process, trees) == limit


def test_elsewhere_nothing_is_limited(tmp_path: Path) -> None:
    assert memory_limit(tmp_path / "none", tmp_path) is None


def test_this_machine_can_be_asked() -> None:
    limit = memory_limit()
    assert limit is None or limit > 0
