"""python -m speaker: reads the cluster, decides what this node announces, tells the announcers."""

import os
import sys

from lb_controller.kube.client import LoginError, connect
from lb_controller.runtime.health import serving
from lb_controller.runtime.logging import configure, follow_level
from lb_controller.runtime.settings import read
from lb_controller.runtime.tasks import Tasks, run
from speaker.app.brain import Brain
from speaker.app.settings import SpeakerSettings


def main() -> int:
    """Run the speaker; returns the exit status."""
    settings = read(SpeakerSettings, sys.argv[1:], os.environ, prog="python -m speaker")
    configure(settings.log_level, settings.log_format, component="speaker", node=settings.node_name)

    async def work() -> None:
        async with connect(settings.kubeconfig) as api:
            brain = Brain(settings, api)
            async with serving(brain.health, settings.metrics_host, settings.metrics_port), Tasks() as tasks:
                tasks.start("log_level", follow_level(settings.log_level_file, settings.log_level))
                brain.start(tasks)
                await tasks.stopped()

    return run(work, plain=(LoginError, OSError))


if __name__ == "__main__":
    sys.exit(main())
