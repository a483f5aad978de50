"""What a step wants to say, collected, and made into as few datagrams as possible at its end.

Claims leave before the HELLO whose digest contains them, otherwise every takeover makes everybody ask everybody.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from speaker.announcer.ownership.codec import BETTERS_AT_MOST, CLAIMS_AT_MOST, RELEASES_AT_MOST, YIELDS_AT_MOST
from speaker.announcer.ownership.messages import (
    FIRST_KEY,
    LAST_KEY,
    Alive,
    Bequest,
    Betters,
    Body,
    Claim,
    Claims,
    Key,
    Owner,
    Releases,
    Suspect,
    Why,
    Yields,
)

T = TypeVar("T")


@dataclass(slots=True)
class Outbox:
    """The words of one step. Recipients are names of peers; None is everybody."""

    claims: dict[Key, None] = field(default_factory=dict)
    complete: dict[str, None] = field(default_factory=dict)
    releases: dict[Key, Why] = field(default_factory=dict)
    betters: dict[str, dict[Key, Owner]] = field(default_factory=dict)
    yields: dict[Key, Bequest] = field(default_factory=dict)
    words: list[tuple[str | None, Suspect | Alive]] = field(default_factory=list)
    hello: bool = False
    hello_to: dict[str, bool] = field(default_factory=dict)  # peer -> ask for its complete claims
    challenges: dict[str, tuple[int, int]] = field(default_factory=dict)  # peer -> boot and number to be echoed

    def better(self, to: str, key: Key, owner: Owner) -> None:
        """Tell one peer of an owner that it may not have heard."""
        self.betters.setdefault(to, {})[key] = owner

    def greet(self, to: str, *, want: bool = False) -> None:
        """A HELLO to one peer."""
        self.hello_to[to] = want or self.hello_to.get(to, False)

    @property
    def empty(self) -> bool:
        return not (
            self.hello
            or self.hello_to
            or self.claims
            or self.words
            or self.complete
            or self.challenges
            or self.releases
            or self.betters
            or self.yields
        )

    def bodies(self, mine: dict[Key, Claim]) -> Iterator[tuple[str | None, Body]]:
        """Everything but HELLOs, each cut to fit into a datagram. `mine`: this node's claims."""
        new = sorted((key, mine[key]) for key in self.claims if key in mine)
        for part in _parts(new, CLAIMS_AT_MOST):
            yield None, Claims(part)
        if self.complete:
            everything = list(_complete(mine))
            for peer in self.complete:
                yield from ((peer, body) for body in everything)
        for gone in _parts(sorted(self.releases.items()), RELEASES_AT_MOST):
            yield None, Releases(gone)
        for peer, owners in self.betters.items():
            for told in _parts(sorted(owners.items()), BETTERS_AT_MOST):
                yield peer, Betters(told)
        for given in _parts(sorted(self.yields.items()), YIELDS_AT_MOST):
            yield None, Yields(given)
        yield from self.words


def _parts(entries: Sequence[T], most: int) -> Iterator[tuple[T, ...]]:
    for start in range(0, len(entries), most):
        yield tuple(entries[start : start + most])


def _complete(mine: dict[Key, Claim]) -> Iterable[Claims]:
    """All claims, in datagrams that together are complete from the first key to the last."""
    parts = list(_parts(sorted(mine.items()), CLAIMS_AT_MOST)) or [()]
    low = FIRST_KEY
    for index, part in enumerate(parts):
        following = parts[index + 1][0][0] if index + 1 < len(parts) else None
        high = LAST_KEY if following is None else (int.from_bytes(following, "big") - 1).to_bytes(16, "big")
        yield Claims(part, low, high)
        if following is not None:
            low = following
