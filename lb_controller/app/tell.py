"""The log line about a condition that was written: with the object's UID, which the speakers' lines carry too."""

from lb_controller.kube.events import Event
from lb_controller.runtime.logging import Logger


def tell(log: Logger, event: Event) -> None:
    """Say what the Event says: `condition_written`, a warning where it is one."""
    about = event.about
    name = f"{about.namespace}/{about.name}" if about.namespace else about.name
    say = log.warning if event.type == "Warning" else log.info
    say("condition_written", kind=about.kind, object=name, uid=about.uid, reason=event.reason, why=event.message)
