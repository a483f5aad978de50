from lb_controller.app.backlog import Backlog


def test_every_key_is_taken_once_in_slices_the_urgent_ones_first() -> None:
    backlog = Backlog[int](3, lambda key: -key)
    backlog.add(range(10))
    backlog.add([4, 5])
    slices = []
    while backlog:
        slices.append(sorted(backlog.take()))
    assert slices == [[7, 8, 9], [4, 5, 6], [1, 2, 3], [0]]
    assert backlog.take() == set()


def test_what_came_since_goes_before_the_rest() -> None:
    backlog = Backlog[int](3, lambda key: key)
    backlog.add(range(10))
    backlog.take()
    backlog.add([99])
    assert backlog.take() == {99, 3, 4}


def test_a_key_that_comes_again_while_it_waits_is_taken_once_and_afterwards_anew() -> None:
    backlog = Backlog[int](2, lambda key: key)
    backlog.add([1, 2, 3])
    backlog.add([3])
    assert backlog.take() == {1, 2}
    assert 3 in backlog
    assert backlog.take() == {3}
    assert not backlog
    backlog.add([3])
    assert backlog.take() == {3}


def test_many_that_come_at_once_are_ordered_with_those_that_wait() -> None:
    backlog = Backlog[int](2, lambda key: key)
    backlog.add([5, 6, 7])
    backlog.take()
    backlog.add([1, 2, 3])
    assert backlog.take() == {1, 2}
    assert len(backlog) == 2
    backlog.clear()
    assert len(backlog) == 0
