"""The agenda against a plain dictionary: whatever is planned, cancelled and taken, both name the same next time."""

from hypothesis import given
from hypothesis import strategies as st

from speaker.announcer.agenda import NEVER, Agenda

KEYS = st.sampled_from("abcd")
TIMES = st.integers(0, 6).map(float)
STEPS = st.one_of(
    st.tuples(st.just("plan"), KEYS, TIMES),
    st.tuples(st.just("cancel"), KEYS, st.just(0.0)),
    st.tuples(st.just("due"), st.just(""), TIMES),
    st.tuples(st.just("clear"), st.just(""), st.just(0.0)),
)


@given(st.lists(STEPS, max_size=40))
def test_an_agenda_is_a_dictionary_that_knows_its_smallest_time(steps: list[tuple[str, str, float]]) -> None:
    agenda: Agenda[str] = Agenda()
    plain: dict[str, float] = {}
    for what, key, at in steps:
        if what == "plan":
            agenda.plan(key, at)
            plain[key] = at
        elif what == "cancel":
            agenda.cancel(key)
            plain.pop(key, None)
        elif what == "clear":
            agenda.clear()
            plain.clear()
        else:
            taken = agenda.due(at)
            times = [plain[key] for key in taken]
            assert times == sorted(times)
            assert set(taken) == {key for key, when in plain.items() if when <= at}
            for name in taken:
                del plain[name]
        assert agenda.deadline == min(plain.values(), default=NEVER)
        assert len(agenda) == len(plain)
        assert all((name in agenda) == (name in plain) for name in "abcd")
