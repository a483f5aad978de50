"""Kernel filters (classic BPF): only requests for our addresses reach the process, so foreign ARP costs nothing.

A program is a tuple of instructions (code, jump if true, jump if false, constant). Up to EXACT addresses the test is an
exact binary tree over the last 32 bits of the target; above, one comparison with the addresses' common prefix. In both
cases the process looks at the whole address again.
"""

from collections.abc import Sequence

from speaker.announcer.layer2 import arp, ndp

Instruction = tuple[int, int, int, int]
Program = tuple[Instruction, ...]

# A tree of n addresses takes about 1.8 n instructions, and the kernel takes 4,096 (BPF_MAXINSNS).
EXACT = 2000
_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE = 0x20, 0x28, 0x30
_JUMP, _JUMP_EQUAL, _JUMP_GREATER_EQUAL = 0x05, 0x15, 0x35
_AND, _RETURN = 0x54, 0x06
_ACCEPT: Instruction = (_RETURN, 0, 0, 0xFFFF)
_DROP: Instruction = (_RETURN, 0, 0, 0)
NOTHING: Program = (_DROP,)


def arp_program(addresses: Sequence[int]) -> Program:
    """Accept ARP requests whose target, as a 32-bit number, is one of the addresses."""
    if not addresses:
        return NOTHING
    tests = [(_LOAD_HALF, 12, arp.ETHERTYPE), (_LOAD_HALF, 20, 1)]
    return _with_tests(tests, 38, sorted(set(addresses)))


def ndp_program(addresses: Sequence[int]) -> Program:
    """Accept neighbour solicitations whose target ends in one of the numbers (the last 32 bits of an address)."""
    if not addresses:
        return NOTHING
    tests = [(_LOAD_HALF, 12, ndp.ETHERTYPE), (_LOAD_BYTE, 20, 58), (_LOAD_BYTE, 54, 135)]
    return _with_tests(tests, 74, sorted(set(addresses)))


def _with_tests(tests: list[tuple[int, int, int]], target: int, numbers: list[int]) -> Program:
    head: list[Instruction] = []
    for load, offset, wanted in tests:
        head += [(load, 0, 0, offset), (_JUMP_EQUAL, 1, 0, wanted), _DROP]
    head.append((_LOAD_WORD, 0, 0, target))
    body = _tree(numbers) if len(numbers) <= EXACT else _prefix(numbers)
    return (*head, *body)


def _tree(numbers: list[int]) -> list[Instruction]:
    if len(numbers) <= 4:
        tests = [(_JUMP_EQUAL, len(numbers) - index, 0, number) for index, number in enumerate(numbers)]
        return [*tests, _DROP, _ACCEPT]
    middle = len(numbers) // 2
    low, high = _tree(numbers[:middle]), _tree(numbers[middle:])
    if len(low) <= 255:
        return [(_JUMP_GREATER_EQUAL, len(low), 0, numbers[middle]), *low, *high]
    # A conditional jump reaches 255 instructions, an unconditional one any distance.
    return [(_JUMP_GREATER_EQUAL, 0, 1, numbers[middle]), (_JUMP, 0, 0, len(low)), *low, *high]


def _prefix(numbers: list[int]) -> list[Instruction]:
    different = numbers[0] ^ numbers[-1]
    mask = 0xFFFFFFFF & ~((1 << different.bit_length()) - 1)
    return [(_AND, 0, 0, mask), (_JUMP_EQUAL, 1, 0, numbers[0] & mask), _DROP, _ACCEPT]
