"""Batches: which images come together."""

from collections import Counter
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from features.errors import DatasetError
from pipelines.dataset import Sample
from pipelines.draws import draw_batches
from pipelines.kinds import family_of, head_of


def rows(groups: int, fakes: int = 2) -> list[Sample]:
    """One real image and some fakes of it in each group."""
    return [
        Sample(f"{group}/{i}.jpg", int(i > 0), str(group), "", "", "train")
        for group in range(groups)
        for i in range(1 + fakes)
    ]


def mixed(groups: int, found: int = 1, families: int = 3) -> list[Sample]:
    """A real image, its re-encoded twin, some found fakes and a forgery of every family in each group."""
    kinds = ["", "", *["dfdc"] * found, *(f"forged.f{i}" for i in range(families))]
    return [
        Sample(f"{group}/{i}.jpg", int(i > 1), str(group), kind, "", "train")
        for group in range(groups)
        for i, kind in enumerate(kinds)
    ]


def test_batches_are_balanced_and_hold_no_group_twice() -> None:
    table = rows(20)
    for batch in islice(draw_batches(table, 16, seed=0), 60):
        assert [table[row].label for row in batch] == [0] * 8 + [1] * 8
        assert len({table[row].group for row in batch}) == 16


def test_every_row_comes_as_often_as_any_other() -> None:
    table = rows(40, fakes=1)
    for batches in (10, 100):  # one round and ten
        drawn = Counter(row for batch in islice(draw_batches(table, 8, seed=3), batches) for row in batch)
        counts = [drawn[row] for row in range(80)]
        assert max(counts) - min(counts) <= 2  # a row may wait across the seam of two rounds
        assert sum(count == batches / 10 for count in counts) >= 70


def test_batches_depend_on_the_seed_alone() -> None:
    first, again, other = (list(islice(draw_batches(rows(30), 8, seed=seed), 20)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_small_sets_make_small_batches() -> None:
    assert len(next(draw_batches(rows(7), 32, seed=0))) == 6
    assert len(next(draw_batches(rows(2), 32, seed=0))) == 2
    with pytest.raises(DatasetError, match="two groups"):
        next(draw_batches(rows(1), 32, seed=0))


def test_one_kind_is_drawn_as_it_always_was() -> None:
    """The draws of seed 5 before there were kinds."""
    table = rows(9, fakes=1)
    kinds = [Sample(s.path, s.label, s.group, "forged.swap" * s.label, "", "train") for s in table]
    expected = [[2, 8, 4, 11, 13, 1], [6, 0, 14, 5, 9, 17], [10, 12, 16, 15, 7, 3], [10, 12, 16, 15, 7, 3]]
    for chosen in (table, kinds):
        assert list(islice(draw_batches(chosen, 6, seed=5), 4)) == expected


def test_heads_and_families_come_alike() -> None:
    table = mixed(40, found=4)
    batches = list(islice(draw_batches(table, 16, seed=0), 60))
    for batch in batches:
        drawn = [table[row] for row in batch]
        assert Counter(head_of(sample) for sample in drawn) == {"": 8, "found": 4, "forged": 4}
        assert [sample.label for sample in drawn] == [0] * 8 + [1] * 8
        assert len({sample.group for sample in drawn}) == 16
    families = Counter(family_of(table[row]) for batch in batches for row in batch)
    assert {families[f"forged.f{i}"] for i in range(3)} == {80}


def test_reals_that_teach_other_heads_share_a_batch() -> None:
    forged = [at % 6 in (1, 3, 4, 5) for at in range(240)]  # the twins and the forgeries
    table = [replace(one, source="forged" * own) for one, own in zip(mixed(40), forged, strict=True)]
    for batch in islice(draw_batches(table, 16, seed=0), 30):
        drawn = [table[row] for row in batch]
        assert set(Counter((one.label, one.source) for one in drawn).values()) == {4}
        assert len({one.group for one in drawn}) == 16


def test_small_batches_take_turns() -> None:
    table = mixed(12, families=2)
    drawn = [family_of(table[row]) for batch in islice(draw_batches(table, 2, seed=0), 8) for row in batch[1:]]
    assert drawn == ["found", "forged.f0", "found", "forged.f1"] * 2


def test_every_forgery_comes_as_often_as_any_other_of_its_family() -> None:
    table = mixed(20, families=2)
    drawn = Counter(row for batch in islice(draw_batches(table, 16, seed=3), 100) for row in batch)
    counts = np.array([drawn[row] for row, sample in enumerate(table) if sample.kind == "forged.f0"])
    assert counts.sum() == 200
    assert np.ptp(counts) <= 2


def test_a_family_needs_two_groups() -> None:
    table = [*rows(8), Sample("x.jpg", 1, "0", "forged.f0", "", "train")]
    with pytest.raises(DatasetError, match="each family"):
        next(draw_batches(table, 8, seed=0))
    with pytest.raises(DatasetError, match="needs real and fake"):
        next(draw_batches([sample for sample in rows(8) if not sample.label], 8, seed=0))
