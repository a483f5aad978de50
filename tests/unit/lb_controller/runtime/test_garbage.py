"""When the objects of a large picture are set aside."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from lb_controller.runtime.garbage import LongLived


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_was_loaded_is_set_aside_at_the_start() -> None:
    async def main() -> None:
        task = asyncio.create_task(LongLived(lambda: 0).run())
        await asyncio.sleep(0)
        task.cancel()

    assert gc.get_freeze_count() == 0
    asyncio.run(main())
    assert gc.get_freeze_count() > 0


def test_a_picture_that_grew_is_set_aside_once_it_is_still() -> None:
    sizes = iter([10_000, 10_000, 11_000, 11_000, 14_000, 14_000, 14_000, 400, 400])
    long_lived = LongLived(lambda: next(sizes))
    long_lived._set_aside()
    assert [long_lived.look() for _ in range(9)] == [False, True] + 3 * [False] + [True] + 3 * [False]
