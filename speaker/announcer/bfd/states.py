"""The state machine of a BFD session as data (RFC 5880 6.2 and 6.8.6).

                          +--+
                          |  | UP, ADMIN DOWN, TIMER
                          |  V
                  DOWN  +------+  INIT
           +------------|      |------------+
           |            | DOWN |            |
           |  +-------->|      |<--------+  |
           |  |         +------+         |  |
           |  | ADMIN DOWN,   ADMIN DOWN,|  |
           |  | TIMER              DOWN, |  |
           V  |                    TIMER |  V
         +------+                      +------+
    +----|      |                      |      |----+
DOWN|    | INIT |--------------------->|  UP  |    |INIT, UP
    +--->|      | INIT, UP             |      |<---+
         +------+                      +------+
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from speaker.announcer.bfd.packet import State

# (our state, the state that the packet says) -> our next state; what is missing changes nothing. AdminDown is left by
# the operator's word only, and no packet is received in it.
ON_PACKET: Final[Mapping[tuple[State, State], State]] = MappingProxyType(
    {
        (State.DOWN, State.DOWN): State.INIT,
        (State.DOWN, State.INIT): State.UP,
        (State.INIT, State.INIT): State.UP,
        (State.INIT, State.UP): State.UP,
        (State.INIT, State.ADMIN_DOWN): State.DOWN,
        (State.UP, State.DOWN): State.DOWN,
        (State.UP, State.ADMIN_DOWN): State.DOWN,
    }
)
# If ... a period of time equal to the Detection Time passes without receiving a BFD Control packet from the remote
# system, and bfd.SessionState is Init or Up, the session has gone down.
ON_SILENCE: Final[Mapping[State, State]] = MappingProxyType({State.INIT: State.DOWN, State.UP: State.DOWN})
