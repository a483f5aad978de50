"""What a reflector knows: lists, watch events and their differences, as tables."""

import json

import msgspec
import pytest

from lb_controller.kube.store import Change, Store, WatchEvent, decode_event, decode_page, meta_of


def raw(name: str, value: object, version: int = 1) -> msgspec.Raw:
    body = {"metadata": {"name": name, "namespace": "ns", "resourceVersion": str(version)}, "value": value}
    return msgspec.Raw(json.dumps(body).encode())


def read(found: msgspec.Raw) -> int:
    value = json.loads(bytes(found))["value"]
    if not isinstance(value, int):
        raise ValueError(f"{value!r} is no number")  # noqa: TRY004 - as a parser says it
    return value


def store(**objects: int) -> Store[int]:
    return Store(read, {("ns", name): value for name, value in objects.items()})


def changes(found: list[Change[int]]) -> dict[str, int | None]:
    return {change.key[1]: change.value for change in found}


LISTS = [
    ("the first list is all news", {}, {"a": 1, "b": 2}, {"a": 1, "b": 2}),
    ("the same list again is none", {"a": 1}, {"a": 1}, {}),
    ("what vanished meanwhile is a deletion", {"a": 1, "b": 2}, {"a": 1}, {"b": None}),
    ("what changed meanwhile is a change", {"a": 1}, {"a": 9}, {"a": 9}),
    ("an empty list deletes all", {"a": 1, "b": 2}, {}, {"a": None, "b": None}),
]


@pytest.mark.parametrize(("known", "listed", "news"), [row[1:] for row in LISTS], ids=[row[0] for row in LISTS])
def test_a_list_is_compared_with_what_was_known(
    known: dict[str, int], listed: dict[str, int], news: dict[str, int | None]
) -> None:
    found = store(**known)
    assert changes(found.replace(found.read_items(raw(name, value) for name, value in listed.items()))) == news
    assert {key[1]: value for key, value in found.objects.items()} == listed


EVENTS = [
    ("ADDED", {}, "a", 1, {"a": 1}),
    ("MODIFIED", {"a": 1}, "a", 2, {"a": 2}),
    ("MODIFIED", {"a": 1}, "a", 1, {}),
    ("DELETED", {"a": 1}, "a", 1, {"a": None}),
    ("DELETED", {}, "a", 1, {}),
]


@pytest.mark.parametrize(("type_", "known", "name", "value", "news"), EVENTS)
def test_an_event_is_a_change_only_where_the_value_differs(
    type_: str, known: dict[str, int], name: str, value: int, news: dict[str, int | None]
) -> None:
    assert changes(store(**known).apply(WatchEvent(type_, raw(name, value)))) == news


def test_an_unreadable_object_keeps_its_last_value_and_spoils_no_other() -> None:
    found = store(a=1, b=2)
    assert changes(found.replace(found.read_items([raw("a", "x"), raw("b", 3)]))) == {"b": 3}
    assert found.objects == {("ns", "a"): 1, ("ns", "b"): 3}
    assert found.unreadable == {("ns", "a"): "'x' is no number"}
    assert changes(found.apply(WatchEvent("MODIFIED", raw("a", 4)))) == {"a": 4}
    assert found.unreadable == {}


def test_clearing_deletes_everything() -> None:
    found = store(a=1, b=2)
    assert changes(found.clear()) == {"a": None, "b": None}
    assert found.objects == {}


def test_pages_and_events_are_decoded_without_their_objects() -> None:
    page = decode_page(b'{"metadata":{"resourceVersion":"9","continue":"more"},"items":[{"any":["thing"]}]}')
    assert (page.metadata.resource_version, page.metadata.continue_) == ("9", "more")
    assert page.items is not None
    assert bytes(page.items[0]) == b'{"any":["thing"]}'
    assert decode_page(b'{"metadata":{},"items":null}').items is None
    event = decode_event(b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"12"}}}')
    assert meta_of(event.object).resource_version == "12"
