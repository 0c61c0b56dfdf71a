"""A small git repository of code, for the tests of what the change log asks of git."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Code:
    """A git repository with a history of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def commit(self, subject: str, **files: str) -> str:
        """Commit files, `__` for the slash and without `.py`; the id of the commit."""
        for name, text in files.items():
            path = self.folder / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", subject)
        return self.git("rev-parse", "HEAD")

    def git(self, *words: str) -> str:
        """What a command of git prints."""
        own = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
        done = subprocess.run(["git", *own, *words], cwd=self.folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()
