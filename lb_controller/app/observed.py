"""What the API server said last about the objects of one resource, whatever way and order the news came in.

Three ways bring news: watch events, lists, and answers to our own writes. A resourceVersion orders those of one
resource (a larger number is later), so older news never overwrites newer: an object known at its version, an object
deleted at that version, and everything missing from a list at the list's version. A list with a smaller version than an
earlier one means that the API server's data was restored from a backup: then the list is the truth.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Sighting(Generic[T]):
    """An object at a version."""

    key: Key
    version: int
    value: T


@dataclass
class Observed(Generic[T]):
    """The objects of one resource. Each method returns the keys whose object changed, appeared or vanished."""

    objects: dict[Key, Sighting[T]] = field(default_factory=dict)
    deleted: dict[Key, int] = field(default_factory=dict)
    floor: int = 0
    listed_once: bool = False

    def values(self) -> list[T]:
        """All objects."""
        return [sighting.value for sighting in self.objects.values()]

    def get(self, key: Key) -> T | None:
        """The object, if there is one."""
        sighting = self.objects.get(key)
        return None if sighting is None else sighting.value

    def see(self, sighting: Sighting[T]) -> list[Key]:
        """There is this object."""
        key = sighting.key
        known = self.objects.get(key)
        latest = known.version if known is not None else max(self.floor, self.deleted.get(key, 0))
        if sighting.version <= latest:
            return []
        self.objects[key] = sighting
        self.deleted.pop(key, None)
        return [key]

    def lose(self, key: Key, version: int) -> list[Key]:
        """The object was deleted at that version."""
        known = self.objects.get(key)
        if known is not None and known.version > version:
            return []
        self.deleted[key] = max(version, self.deleted.get(key, 0))
        return [key] if self.objects.pop(key, None) is not None else []

    def take_list(self, items: Iterable[Sighting[T]], version: int, unread: Iterable[Key] = ()) -> list[Key]:
        """These are all objects as of that version; those of `unread` exist too, but could not be read."""
        if version < self.floor:
            return self._start_over(list(items), version)
        changed: list[Key] = []
        present = set(unread)
        for sighting in items:
            present.add(sighting.key)
            if sighting.key in self.objects:
                changed += self.see(sighting)
            elif self.deleted.get(sighting.key, 0) <= version:
                self.objects[sighting.key] = sighting
                changed.append(sighting.key)
        for key in [key for key, known in self.objects.items() if key not in present and known.version <= version]:
            del self.objects[key]
            changed.append(key)
        self.floor, self.listed_once = version, True
        self.deleted = {key: at for key, at in self.deleted.items() if at > version}
        return changed

    def _start_over(self, items: list[Sighting[T]], version: int) -> list[Key]:
        before = self.objects
        self.objects = {sighting.key: sighting for sighting in items}
        self.deleted, self.floor = {}, version
        return [key for key in {*before, *self.objects} if before.get(key) != self.objects.get(key)]
