"""The Poll Sequence (RFC 5880 6.5): a change of intervals is said with Poll set until the peer answers with Final.

idle --want--> active --Final--> settling --a packet with Final clear--> idle
                 |                   ^
                 +-- want: once more +   (the Final that comes may answer the words before the change)
"""


class PollSequence:
    """`active`: the packets that are sent carry the Poll bit."""

    def __init__(self) -> None:
        self.active = self._again = self._settling = False

    def want(self) -> None:
        """An interval changed."""
        self._again = self.active or self._settling
        self.active = not self._settling

    def on_packet(self, *, final: bool) -> bool:
        """A packet was received; returns whether the peer knows now what we said last."""
        if final and self.active:
            # If a Poll Sequence is being transmitted by the local system and the Final (F) bit in the received packet
            # is set, the Poll Sequence MUST be terminated.
            self.active, self._settling = False, True
            return not self._again
        if not final and self._settling:
            # 6.8.3: ... an additional BFD Control packet with the Final (F) bit *clear* MUST be received after the
            # Poll Sequence has completed prior to the initiation of another Poll Sequence.
            self._settling = False
            self.active, self._again = self._again, False
        return False

    def reset(self) -> None:
        """The peer is gone: nothing that it may answer later counts."""
        self.active = self._again = self._settling = False
