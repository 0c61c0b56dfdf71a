"""`kag` and `python -m kag`: where the process begins."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line. While Python still loads it, Ctrl-C ends the process by the signal, without a word."""
    former = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from kag.cli.main import main as run

    signal.signal(signal.SIGINT, former)
    run()


if __name__ == "__main__":
    main()
