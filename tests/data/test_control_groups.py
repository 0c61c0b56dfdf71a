from __future__ import annotations

from pathlib import Path

import pytest

from kag.data.control_groups import memory_left, memory_limit
from kag.data.host_memory import free_memory

GIB = 2**30


def fake(tmp_path: Path, groups: str, files: dict[str, str]) -> tuple[Path, Path]:
    """The file of a process, and the tree of its groups."""
    process, trees = tmp_path / "cgroup", tmp_path / "trees"
    process.write_text(groups)
    for name, text in files.items():
        (trees / name).parent.mkdir(parents=True, exist_ok=True)
        (trees / name).write_text(text)
    return process, trees


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
    assert memory_limit(*fake(tmp_path, groups, files)) == limit


@pytest.mark.parametrize(
    ("groups", "files", "left"),
    [
        ("0::/\n", {"memory.max": str(4 * GIB), "memory.current": str(GIB)}, 3 * GIB),
        (
            "0::/\n",
            {
                "memory.max": str(4 * GIB),
                "memory.current": str(3 * GIB),
                "memory.stat": f"anon 5\ninactive_file {GIB}\n",
            },
            2 * GIB,
        ),
        (
            "4:memory:/job\n",
            {
                "memory/job/memory.limit_in_bytes": str(4 * GIB),
                "memory/job/memory.usage_in_bytes": str(3 * GIB),
                "memory/job/memory.stat": f"inactive_file 7\ntotal_inactive_file {2 * GIB}\n",
            },
            3 * GIB,
        ),
        # The wider group is the fuller one.
        (
            "0::/a/b\n",
            {
                "a/memory.max": str(8 * GIB),
                "a/memory.current": str(7 * GIB),
                "a/b/memory.max": str(2 * GIB),
                "a/b/memory.current": "0",
            },
            GIB,
        ),
        ("0::/\n", {"memory.max": str(GIB), "memory.current": str(2 * GIB)}, 0),
        ("0::/\n", {"memory.max": "max\n", "memory.current": str(GIB)}, None),
    ],
)
def test_what_is_left_is_the_limit_without_what_is_held(
    tmp_path: Path, groups: str, files: dict[str, str], left: int | None
) -> None:
    assert memory_left(*fake(tmp_path, groups, files)) == left


def test_elsewhere_nothing_is_limited(tmp_path: Path) -> None:
    assert memory_limit(tmp_path / "none", tmp_path) is None
    assert memory_left(tmp_path / "none", tmp_path) is None


def test_this_machine_can_be_asked() -> None:
    limit = memory_limit()
    assert limit is None or limit > 0
    free, where = free_memory()
    assert free > 0
    assert where.startswith("this ")
