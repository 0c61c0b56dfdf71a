"""How a copy of a process ends: its memory is left to the system as it is.

Python would take apart all that has been loaded, object by object, and so write to every page that a copy shares.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys


class Departure:
    """The end of this process, behind all that is registered from now on to happen at its end."""

    def __init__(self) -> None:
        self.code: int | None = None
        """Exit code, once this process is one whose memory is to be left; None lets Python end it."""
        atexit.register(self._leave)

    def _leave(self) -> None:
        if self.code is not None:
            logging.shutdown()
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(self.code)
