"""A worker of pytest-xdist as a copy (`tests.warm`): it has loaded what nearly all tests need, at no cost of its own.

xdist starts it as it would start Python, `python -m tests.worker -u -c TEXT`, and talks to it by its standard streams;
this process waits for the end of the copy, and ends as that has ended.
"""

from __future__ import annotations

import os
import sys
import uuid
from typing import Any

from tests import warm
from tests.copied import NEEDLESS

PLAIN, COPIED = "popen", f"popen//python={sys.executable} -m tests.worker"
"""How xdist says what it starts."""


def copy_workers(options: Any) -> None:
    """Let the workers of this call of pytest be copies of one process, which it keeps as long as it goes on itself."""
    if PLAIN not in (options.tx or ()):
        return
    options.tx = [COPIED if one == PLAIN else one for one in options.tx]
    options.testrunuid = options.testrunuid or uuid.uuid4().hex
    os.environ[warm.RUN] = options.testrunuid
    warm.begin_template()


def main() -> None:
    """Be a worker."""
    words = [sys.executable, *(word for word in sys.argv[1:] if word not in NEEDLESS)]
    code = warm.begin(words, cwd=os.getcwd(), env=os.environ, streams=(1, 2), kept=[0]).wait()
    if code < 0:
        os.kill(os.getpid(), -code)
    sys.exit(code)


if __name__ == "__main__":
    main()
