"""What is tied directly or through others is one; nothing else is."""

from hypothesis import given
from hypothesis import strategies as st

from pipelines.ties import tie

NAMES = st.sampled_from([str(number) for number in range(30)])


def test_ties_are_followed() -> None:
    assert tie([("a", "b"), ("c", "b"), ("d",), ("f", "e")]) == dict.fromkeys("abc", "a") | {
        "d": "d",
        "e": "e",
        "f": "e",
    }


def test_the_shortest_name_stands_for_the_others() -> None:
    assert set(tie([("id10", "id9"), ("id9", "id11")]).values()) == {"id9"}


def test_nothing_is_tied_without_sets() -> None:
    assert tie([]) == {}


@given(st.lists(st.lists(NAMES, min_size=1, max_size=3), max_size=30))
def test_the_order_does_not_matter_and_sets_stay_whole(sets: list[list[str]]) -> None:
    found = tie(sets)
    assert found == tie([names[::-1] for names in sets[::-1]])
    assert all(len({found[name] for name in names}) == 1 for names in sets)
    assert all(_reachable(first, sets) >= {name} for name, first in found.items())


def _reachable(name: str, sets: list[list[str]]) -> set[str]:
    """Walk from a name to all that sets lead to: the oracle."""
    seen, fresh = {name}, {name}
    while fresh:
        fresh = {other for names in sets if fresh & set(names) for other in names} - seen
        seen |= fresh
    return seen
