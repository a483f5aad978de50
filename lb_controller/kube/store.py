"""What is known of one resource: objects by key, changed by lists and watch events, as values.

Applying a list yields the changes against what was known, deletions included: a list after a gap is the only news of
objects that vanished meanwhile. An object that cannot be read is reported and counts as unchanged, never as deleted.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")
Key = tuple[str, str]


class Meta(msgspec.Struct, rename="camel", gc=False):
    """The part of metadata that every resource is followed by."""

    name: str = ""
    namespace: str = ""
    resource_version: str = ""


class _WithMeta(msgspec.Struct, gc=False):
    metadata: Meta = msgspec.field(default_factory=Meta)


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class Page(msgspec.Struct):
    """One page of a list; items stay undecoded, so that a bad one spoils nothing."""

    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)
    items: list[msgspec.Raw] | None = None


class WatchEvent(msgspec.Struct):
    """One line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR."""

    type: str
    object: msgspec.Raw


decode_page = msgspec.json.Decoder(Page).decode
decode_event = msgspec.json.Decoder(WatchEvent).decode
_decode_meta = msgspec.json.Decoder(_WithMeta).decode


def meta_of(raw: bytes | msgspec.Raw) -> Meta:
    """Key and resourceVersion of an object."""
    return _decode_meta(raw).metadata


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """The object at `key` is now `value`, or gone (None)."""

    key: Key
    value: T | None


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """An object of a list: its value, or why it has none."""

    key: Key
    value: T | None
    why: str = ""


@dataclass
class Store(Generic[T]):
    """The known objects. `read` decodes one and raises msgspec.DecodeError or ValueError for an unreadable one."""

    read: Callable[[msgspec.Raw], T]
    objects: dict[Key, T] = field(default_factory=dict)
    unreadable: dict[Key, str] = field(default_factory=dict)

    def read_items(self, items: Iterable[msgspec.Raw]) -> list[Entry[T]]:
        """A page of a list as values: the text, which is much longer, can be let go before the next page comes."""
        return [self._entry(raw) for raw in items]

    def replace(self, entries: Iterable[Entry[T]]) -> list[Change[T]]:
        """Take a whole list; returns what differs from what was known."""
        changes: list[Change[T]] = []
        seen: set[Key] = set()
        for entry in entries:
            seen.add(entry.key)
            changes += self._put(entry)
        for key in [key for key in self.objects if key not in seen]:
            changes += self._drop(key)
        return changes

    def apply(self, event: WatchEvent) -> list[Change[T]]:
        """Take one watch event about an object."""
        if event.type == "DELETED":
            meta = meta_of(event.object)
            return self._drop((meta.namespace, meta.name))
        return self._put(self._entry(event.object))

    def clear(self) -> list[Change[T]]:
        """Everything is gone."""
        return [change for key in list(self.objects) for change in self._drop(key)]

    def _entry(self, raw: msgspec.Raw) -> Entry[T]:
        meta = meta_of(raw)
        key = (meta.namespace, meta.name)
        try:
            return Entry(key, self.read(raw))
        except (msgspec.DecodeError, ValueError) as error:
            return Entry(key, None, str(error))

    def _put(self, entry: Entry[T]) -> list[Change[T]]:
        key, value = entry.key, entry.value
        if value is None:
            self.unreadable[key] = entry.why
            return []
        self.unreadable.pop(key, None)
        if key in self.objects and self.objects[key] == value:
            return []
        self.objects[key] = value
        return [Change(key, value)]

    def _drop(self, key: Key) -> list[Change[T]]:
        self.unreadable.pop(key, None)
        if self.objects.pop(key, None) is None:
            return []
        return [Change(key, None)]
