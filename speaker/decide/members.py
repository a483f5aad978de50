"""Which nodes run an announcer: those that the DaemonSet selects.

Announcers wait for each other when they start, and count each other when they claim; a node that never runs one would
make every majority harder to hear.
"""

from collections.abc import Mapping

from lb_controller.model.cluster import Node


def members(nodes: Mapping[str, Node], labels: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the nodes that have all the labels, each `key=value`; ascending."""
    wanted = [(key, value) for key, _, value in (label.partition("=") for label in labels)]
    return tuple(
        sorted(name for name, node in nodes.items() if all(node.labels.get(key) == value for key, value in wanted))
    )
