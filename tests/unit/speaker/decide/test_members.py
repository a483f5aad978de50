"""Which nodes run an announcer."""

import pytest

from lb_controller.model.cluster import Node
from speaker.decide.members import members

NODES = {
    name: Node(name=name, labels=labels)
    for name, labels in (("b", {"edge": "yes", "zone": "1"}), ("a", {"edge": "yes"}), ("c", {"edge": ""}))
}


@pytest.mark.parametrize(
    ("labels", "expected"),
    [((), ("a", "b", "c")), (("edge=yes",), ("a", "b")), (("edge=yes", "zone=1"), ("b",)), (("edge=",), ("c",))],
)
def test_the_nodes_with_all_labels_are_members(labels: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert members(NODES, labels) == expected
