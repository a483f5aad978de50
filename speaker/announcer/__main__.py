"""python -m speaker.announcer: the process with CAP_NET_RAW that answers ARP and NDP."""

import os
import sys

from lb_controller.runtime.logging import configure, follow_level
from lb_controller.runtime.settings import read
from lb_controller.runtime.tasks import Tasks, run
from speaker.announcer.app.announcer import Announcer
from speaker.announcer.app.settings import AnnouncerSettings


def main() -> int:
    """Run the announcer; returns the exit status."""
    settings = read(AnnouncerSettings, sys.argv[1:], os.environ, prog="python -m speaker.announcer")
    configure(settings.log_level, settings.log_format, component="announcer")

    async def work() -> None:
        async with Tasks() as tasks:
            tasks.start("log_level", follow_level(settings.log_level_file, settings.log_level))
            await Announcer(settings).run(tasks)

    return run(work, plain=(OSError,))


if __name__ == "__main__":
    sys.exit(main())
