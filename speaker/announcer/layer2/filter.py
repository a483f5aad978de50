"""Kernel filters (classic BPF): only requests for our addresses reach the process, so foreign ARP costs nothing.

A program is a tuple of instructions (code, jump if true, jump if false, constant). Up to EXACT addresses the test is
exact, a binary search over the last 32 bits of the target; above, the search is over the RANGES tightest ranges that
cover the addresses. In both cases the process looks at the whole address again.

A frame that the kernel marked as meant for another host passes as its bare header: see ethernet.py.
"""

from collections.abc import Sequence

from speaker.announcer.layer2 import arp, ndp
from speaker.announcer.layer2.ethernet import HEADER

Instruction = tuple[int, int, int, int]
Program = tuple[Instruction, ...]

# The kernel takes 4,096 instructions (BPF_MAXINSNS). Four addresses need 8 or 9, one range 6 or 7.
EXACT = 2000
RANGES = 600
_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE, _SET_X, _X_TO_A = 0x20, 0x28, 0x30, 0x01, 0x87
_JUMP, _JUMP_EQUAL, _JUMP_GREATER, _JUMP_GREATER_EQUAL = 0x05, 0x15, 0x25, 0x35
_DROP: Instruction = (0x06, 0, 0, 0)
_RETURN_A: Instruction = (0x16, 0, 0, 0)
_PACKET_TYPE = 0xFFFFF000 + 4  # SKF_AD_OFF + SKF_AD_PKTTYPE
_OTHER_HOST = 3
_ACCEPT: list[Instruction] = [(_X_TO_A, 0, 0, 0), _RETURN_A]
NOTHING: Program = (_DROP,)
Block = tuple[int, list[Instruction]]  # its lowest number, its tests


def arp_program(addresses: Sequence[int]) -> Program:
    """Accept ARP requests whose target, as a 32-bit number, is one of the addresses."""
    return _program([(_LOAD_HALF, 12, arp.ETHERTYPE), (_LOAD_HALF, 20, 1)], 38, addresses)


def ndp_program(addresses: Sequence[int]) -> Program:
    """Accept neighbour solicitations whose target ends in one of the numbers (the last 32 bits of an address)."""
    tests = [(_LOAD_HALF, 12, ndp.ETHERTYPE), (_LOAD_BYTE, 20, 58), (_LOAD_BYTE, 54, 135)]
    return _program(tests, 74, addresses)


def arp_ear(numbers: Sequence[int]) -> Program:
    """Accept any ARP packet whose sender address is one of the numbers: members, and users of our addresses."""
    return _program([(_LOAD_HALF, 12, arp.ETHERTYPE)], 28, numbers)


def ndp_ear(numbers: Sequence[int]) -> Program:
    """Accept neighbour advertisements whose target ends in one of the numbers."""
    tests = [(_LOAD_HALF, 12, ndp.ETHERTYPE), (_LOAD_BYTE, 20, 58), (_LOAD_BYTE, 54, 136)]
    return _program(tests, 74, numbers)


def _program(tests: list[tuple[int, int, int]], target: int, addresses: Sequence[int]) -> Program:
    numbers = sorted(set(addresses))
    if not numbers:
        return NOTHING
    # X is how many bytes of the frame pass.
    head: list[Instruction] = [
        (_LOAD_BYTE, 0, 0, _PACKET_TYPE),
        (_SET_X, 0, 0, 0xFFFF),
        (_JUMP_EQUAL, 0, 1, _OTHER_HOST),
        (_SET_X, 0, 0, HEADER),
    ]
    for load, offset, wanted in tests:
        head += [(load, 0, 0, offset), (_JUMP_EQUAL, 1, 0, wanted), _DROP]
    head.append((_LOAD_WORD, 0, 0, target))
    blocks = _exact(numbers) if len(numbers) <= EXACT else [_range(*ends) for ends in ranges(numbers, RANGES)]
    return (*head, *_search(blocks))


def _search(blocks: list[Block]) -> list[Instruction]:
    """Find the one block that a number can belong to."""
    if len(blocks) == 1:
        return blocks[0][1]
    middle = len(blocks) // 2
    low, high = _search(blocks[:middle]), _search(blocks[middle:])
    first = blocks[middle][0]
    if len(low) <= 255:
        return [(_JUMP_GREATER_EQUAL, len(low), 0, first), *low, *high]
    # A conditional jump reaches 255 instructions, an unconditional one any distance.
    return [(_JUMP_GREATER_EQUAL, 0, 1, first), (_JUMP, 0, 0, len(low)), *low, *high]


def _exact(numbers: list[int]) -> list[Block]:
    return [_any_of(numbers[start : start + 4]) for start in range(0, len(numbers), 4)]


def _any_of(numbers: list[int]) -> Block:
    tests = [(_JUMP_EQUAL, len(numbers) - index, 0, number) for index, number in enumerate(numbers)]
    return numbers[0], [*tests, _DROP, *_ACCEPT]


def _range(first: int, last: int) -> Block:
    return first, [(_JUMP_GREATER_EQUAL, 0, 1, first), (_JUMP_GREATER, 0, 1, last), _DROP, *_ACCEPT]


def ranges(numbers: list[int], most: int) -> list[tuple[int, int]]:
    """At most `most` ranges (both ends included) that cover the ascending numbers and leave out the widest gaps."""
    widest = sorted(range(1, len(numbers)), key=lambda index: numbers[index - 1] - numbers[index])[: most - 1]
    starts = [0, *sorted(index for index in widest if numbers[index] - numbers[index - 1] > 1)]
    ends = [start - 1 for start in starts[1:]] + [len(numbers) - 1]
    return [(numbers[start], numbers[end]) for start, end in zip(starts, ends, strict=True)]
