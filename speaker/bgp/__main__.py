"""`python -m speaker.bgp`: the settings of the container `bgp`, and its tasks."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from lb_controller.runtime.garbage import LongLived
from lb_controller.runtime.logging import LogFormat, LogLevel, configure, follow_level
from lb_controller.runtime.settings import read, setting
from lb_controller.runtime.tasks import Tasks, run
from speaker.bgp.supervisor import Supervisor


@dataclass(frozen=True, slots=True, kw_only=True)
class BgpSettings:
    """Runs the BGP daemon of one node and tells it what the speaker wants announced."""

    socket_dir: Path = setting(Path("/run/heraldlb"), help="directory of the sockets shared with the speaker")
    drain_seconds: float = setting(
        5.0,
        help="seconds on a planned stop between demoting routes (GRACEFUL_SHUTDOWN, RFC 8326) and withdrawing them",
        minimum=0,
        maximum=600,
    )
    log_level: LogLevel = setting(LogLevel.INFO, help="least severity that is logged")
    log_level_file: Path | None = setting(
        None, help="file with a level that replaces it, read again when it changes and on SIGHUP"
    )
    log_format: LogFormat = setting(LogFormat.AUTO, help="how a log line looks")


async def serve(settings: BgpSettings) -> None:
    """Run until SIGTERM, then demote and take back every route."""
    supervisor = Supervisor(settings.socket_dir, settings.drain_seconds)
    async with Tasks() as tasks:
        tasks.start("log_level", follow_level(settings.log_level_file, settings.log_level))
        tasks.start("garbage", LongLived(lambda: 0).run())
        tasks.start("bridge", supervisor.daemon.listen())
        tasks.start("daemon", supervisor.keep_daemon(), may_end=True)
        tasks.start("apply", supervisor.apply())
        tasks.start("look_again", supervisor.look_again())
        tasks.start("clock", supervisor.watch_clock())
        tasks.start("report", supervisor.report())
        tasks.start("count", supervisor.count())
        tasks.start("bfd", supervisor.bfd.run())
        tasks.start("advertiser", supervisor.advertiser.run())
        tasks.start("speaker", supervisor.server.serve())
        await tasks.stopped()
        await supervisor.leave()


def main() -> int:
    """Read the settings and serve; returns the exit status."""
    settings = read(BgpSettings, sys.argv[1:], os.environ, prog="python -m speaker.bgp")
    configure(settings.log_level, settings.log_format, component="bgp")
    return run(lambda: serve(settings))


if __name__ == "__main__":
    sys.exit(main())
