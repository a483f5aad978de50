"""`python -m lb_controller`: the controller. `--help` lists its settings."""

import os
import sys

from lb_controller.app.process import main
from lb_controller.app.settings import ControllerSettings
from lb_controller.kube.client import LoginError
from lb_controller.runtime.logging import configure
from lb_controller.runtime.settings import read
from lb_controller.runtime.tasks import run

if __name__ == "__main__":
    settings = read(ControllerSettings, sys.argv[1:], os.environ, prog="python -m lb_controller")
    configure(settings.log_level, settings.log_format, component="controller")
    sys.exit(run(lambda: main(settings), plain=(LoginError, OSError)))
