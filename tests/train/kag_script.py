"""`kag` as a script: Lightning starts the other processes of a DDP run by the path of the first one, here as copies."""

import os

from kag.cli.main import main
from tests import warm
from tests.copied import subprocess_of


def start_copies() -> None:
    """What Lightning starts is a copy of this process, and hears the signals of its group."""
    from lightning.pytorch.strategies.launchers import subprocess_script

    import kag.train.fit  # noqa: F401

    template = warm.template_of_this()
    subprocess_script.subprocess = subprocess_of(template, is_alone=False)


if __name__ == "__main__":
    if "LOCAL_RANK" not in os.environ:
        start_copies()
    main()
