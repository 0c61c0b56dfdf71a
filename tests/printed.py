"""A shell that does what a page prints, as it stands there."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests import warm
from tests.e2e.tracking import Logged, family, until
from tests.pages import Block

STAYS = re.compile(r"kag (page|serve)( --.*)?$")
"""A command that goes on until Ctrl-C."""

PLAIN = re.compile(r"kag [^|&;<>$`]+$")
"""A command that means the same without a shell."""

REFUSED = "# refused"
"""What stands behind a command that kag will refuse."""


@dataclass
class Shell:
    """Blocks of commands one after another; each begins where the one before left off."""

    folder: Path
    env: Mapping[str, str]
    left_out: Mapping[str, str]
    """Commands that are not run -> why."""
    printed: str = ""
    """By all commands so far."""
    pages: list[str] = field(default_factory=list)
    """What a browser saw behind each link that was printed."""

    def run(self, block: Block) -> None:
        """Run the commands of a block; of a `console` block they stand behind `$`.

        Raises:
            AssertionError: a command fails, or one that should be refused is not.
        """
        for line in commands(block):
            if line in self.left_out:
                continue
            if STAYS.match(line):
                self._visit(line)
                continue
            code, printed = self._kag(line) if PLAIN.match(line) else self._bash(line)
            self.printed += f"$ {line}\n{printed}"
            assert code == (2 if REFUSED in line else 0), f"{line}\n{printed}"

    @property
    def where(self) -> Path:
        """The folder in which the next command runs."""
        marker = self.folder / ".git" / "where"
        return Path(marker.read_text().strip()) if marker.exists() else self.folder

    def _bash(self, line: str) -> tuple[int, str]:
        marker = shlex.quote(str(self.folder / ".git" / "where"))
        text = f'{_MAKE}{line}\ncode=$?\npwd > {marker}\nexit "$code"'
        done = subprocess.run(
            ["bash", "-uo", "pipefail", "-c", text],
            cwd=self.where,
            env=dict(self.env),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        return done.returncode, done.stdout

    def _kag(self, line: str) -> tuple[int, str]:
        """The same without a second to start."""
        log = self.folder / ".git" / "log"
        with log.open("w") as output:
            code = warm.start(_words(line), cwd=self.where, env=self.env, output=output).wait()
        return code, log.read_text()

    def _visit(self, line: str) -> None:
        """Start a command that stays, wait for its first words, follow a link to the page, and press Ctrl-C."""
        server = Logged(_words(line), self.folder / ".git" / "log", self.where, self.env)
        try:
            until(lambda: re.search(_FIRST, server.log.read_text(), re.MULTILINE) or server.poll(), what=line)
            for link in re.findall(r"^page: (\S+)$", server.log.read_text(), re.MULTILINE):
                with httpx.Client(headers={"Accept": "text/html"}, follow_redirects=True, timeout=60) as browser:
                    self.pages.append(browser.get(link).raise_for_status().text)
            os.kill(server.pid, signal.SIGINT)
            self.printed += f"$ {line}\n{server.ends(seconds=300)}"
        finally:
            for number in reversed(family(server.pid)) if server.poll() is None else ():
                os.kill(number, signal.SIGTERM)


_FIRST = r"^(page: |serving on )"
_SLOW = re.compile(r"epoch +\d+  \d+ of \d+ batches, .* left$")
"""What a machine that is busy elsewhere says of an epoch before it ends."""
_CALL = "import sys; sys.argv[0] = 'kag'; from tests.copied import kag; kag()"
_MAKE = 'make() { command make -o .venv/.installed "$@"; }\n'
"""The environment is there already."""


def _words(line: str) -> list[str]:
    """A command line of kag as it is started here."""
    return [sys.executable, "-c", _CALL, *shlex.split(line, comments=True)[1:]]


def commands(block: Block) -> list[str]:
    """The command lines of a block, each whole."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    return [line for line in lines if line]


def pattern(line: str) -> str:
    """A line without what differs from run to run: numbers, times, digests, and what follows from the numbers alone,
    which are the best epoch and which of two normalisation statistics val chose.
    """
    line = line.replace("raw_recomputed", "raw").replace("best so far", "")
    return " ".join(re.sub(r"\b[0-9a-f]{12}\b|[-+]?\d[\d.:_-]*(e-\d+)?", "#", line).split())


def missing(shown: str, printed: str) -> list[str]:
    """Lines of a page that are not printed so, one below the other; `...` stands for any lines."""
    found, begin = [pattern(line) for line in printed.splitlines() if not _SLOW.match(line)], 0
    for part in re.split(r"^\.\.\.$", re.sub(r"^\$ .*\n", "", shown, flags=re.MULTILINE), flags=re.MULTILINE):
        lines = part.strip("\n").splitlines()
        wanted = [pattern(line) for line in lines]
        places = range(begin, len(found) - len(wanted) + 1)
        place = next((place for place in places if found[place : place + len(wanted)] == wanted), None)
        if place is None:
            return lines
        begin = place + len(wanted)
    return []
