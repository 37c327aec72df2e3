"""Kinds of fakes: whose lesson they are, and what is left out."""

from dataclasses import replace

import pytest

from features.errors import UnknownNameError
from pipelines.dataset import Sample
from pipelines.kinds import HEADS, family_of, head_of, heads_of, leave_out, lesson_of, lessons


def sample(label: int, kind: str) -> Sample:
    return Sample(f"{label}{kind}.jpg", label, "group", kind, "", "train")


REAL, FACE, PLAIN, SWAP, BLEND = (
    sample(0, "real"), sample(1, "dfdc"), sample(1, ""), sample(1, "forged.swap"), sample(1, "forged.blend")
)  # fmt: skip
ALL = [REAL, FACE, PLAIN, SWAP, BLEND]


def test_every_fake_has_its_head_and_family() -> None:
    assert [head_of(one) for one in ALL] == ["", "found", "found", "forged", "forged"]
    assert [family_of(one) for one in ALL] == ["", "found", "found", "forged.swap", "forged.blend"]
    assert head_of(sample(0, "forged.swap")) == ""
    assert head_of(sample(1, "forgedly")) == "found"


def test_heads_are_those_that_are_needed_in_their_order() -> None:
    assert heads_of([SWAP, REAL, FACE]) == HEADS
    assert heads_of([REAL, SWAP]) == ("forged",)
    assert heads_of([REAL]) == ()


def test_reals_teach_what_the_fakes_of_their_data_set_teach() -> None:
    table = [replace(one, source=source) for one, source in zip(ALL, ("a", "a", "a", "b", "b"), strict=True)]
    twin, alone = replace(REAL, source="b"), replace(REAL, source="c")
    heads = lessons([*table, twin, alone])
    assert [lesson_of(one, heads) for one in (table[0], twin, alone)] == [("found",), ("forged",), HEADS]
    assert [lesson_of(one, heads) for one in (FACE, SWAP)] == [("found",), ("forged",)]


@pytest.mark.parametrize(
    ("kinds", "left"),
    [
        ((), ALL),
        (("found",), [REAL, SWAP, BLEND]),
        (("forged",), [REAL, FACE, PLAIN]),
        (("forged.swap",), [REAL, FACE, PLAIN, BLEND]),
        (("forged.swap", "found"), [REAL, BLEND]),
        (("dfdc",), [REAL, PLAIN, SWAP, BLEND]),
    ],
)
def test_kinds_are_left_out(kinds: tuple[str, ...], left: list[Sample]) -> None:
    assert leave_out(ALL, kinds) == left


@pytest.mark.parametrize(("kind", "meant"), [("forged.swop", "forged.swap"), ("fuond", "found"), ("reals", "")])
def test_a_kind_that_is_not_there(kind: str, meant: str) -> None:
    with pytest.raises(UnknownNameError, match=f"no kind '{kind}'.*{meant}"):
        leave_out(ALL, [kind])


def test_the_reals_of_a_data_set_that_loses_all_its_fakes_are_left_out_too() -> None:
    table = [replace(one, source=source) for one, source in zip(ALL, ("a", "a", "a", "b", "b"), strict=True)]
    twin, alone = replace(REAL, source="b"), replace(REAL, source="c")
    everything = [*table, twin, alone]
    assert leave_out(everything, ["found"]) == [*table[3:], twin, alone]
    assert leave_out(everything, ["forged"]) == [*table[:3], alone]
    assert leave_out(everything, ["forged.swap"]) == [*table[:3], table[4], twin, alone]
