"""The daemon's process: `python -m speaker.bgp.daemon CONFIGURATION`, started by the supervisor only.

It is ExaBGP's own server with our cures, and it dies with the process that started it: a daemon without a supervisor
would announce for ever.
"""

import ctypes
import os
import signal
import sys

from speaker.bgp import names

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; leave at once if it has ended already."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def main(path: str, parent: int) -> int:
    """Run ExaBGP on the configuration file until it is told to stop."""
    die_with_parent(parent)
    names.apply()
    # Imported late: ExaBGP reads its environment while it is imported, and a dead parent needs no daemon.
    from exabgp.configuration.configuration import Configuration  # noqa: PLC0415
    from exabgp.environment import getenv  # noqa: PLC0415
    from exabgp.logger import log  # noqa: PLC0415
    from exabgp.reactor.loop import Reactor  # noqa: PLC0415

    from speaker.bgp import cures  # noqa: PLC0415

    cures.apply()
    log.init(getenv())
    return int(Reactor(Configuration([path])).run())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
