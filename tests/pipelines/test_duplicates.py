"""Pairs of hashes against a direct count, and who stands for whom."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import duplicates
from pipelines.duplicates import Pairs, leaders, near_pairs

Triples = list[tuple[int, int, int]]


def slow(hashes: list[bytes], distance: int) -> Triples:
    numbers = [int.from_bytes(found, "big") for found in hashes]
    pairs = itertools.combinations(range(len(hashes)), 2)
    found = [(i, j, (numbers[i] ^ numbers[j]).bit_count()) for i, j in pairs]
    return sorted((row for row in found if row[2] <= distance), key=lambda row: (row[1], row[0]))


def triples(pairs: Pairs) -> Triples:
    return [(int(i), int(j), int(d)) for i, j, d in zip(*pairs, strict=True)]


def flipped(bits: list[int]) -> bytes:
    """A hash of zeros with some bits flipped."""
    return sum(1 << bit for bit in set(bits)).to_bytes(32, "big")


HASHES = st.lists(st.builds(flipped, st.lists(st.integers(0, 255), max_size=8)), max_size=12)


@given(HASHES, st.integers(0, 20))
@settings(max_examples=50)
def test_pairs_are_those_of_a_direct_count(hashes: list[bytes], distance: int) -> None:
    assert triples(near_pairs(hashes, distance)) == slow(hashes, distance)


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_ROWS", 3)
    monkeypatch.setattr(duplicates, "_COLUMNS", 4)
    rng = np.random.default_rng(0)
    hashes = [flipped(rng.integers(0, 256, 5).tolist()) for _ in range(20)]
    assert triples(near_pairs(hashes, 8)) == slow(hashes, 8)


def test_only_what_is_relevant_is_kept() -> None:
    hashes = [flipped([]), flipped([1]), flipped([2])]
    assert triples(near_pairs(hashes, 2, lambda first, second: first + second == 2)) == [(0, 2, 1)]


@pytest.mark.parametrize("count", [0, 1])
def test_one_picture_is_like_no_other(count: int) -> None:
    assert triples(near_pairs([flipped([])] * count)) == []


def test_a_leader_is_one_that_stays() -> None:
    chain = [flipped([]), flipped([1]), flipped([1, 2]), flipped([1, 2, 3])]
    assert leaders(near_pairs(chain, 1), 4).tolist() == [0, 0, 2, 2]


def test_the_nearest_leader_is_taken() -> None:
    hashes = [flipped([]), flipped([1, 2, 3, 4, 5]), flipped([1, 2, 3])]
    assert leaders(near_pairs(hashes, 3), 3).tolist() == [0, 1, 1]


def test_without_pairs_each_leads_itself() -> None:
    assert leaders(near_pairs([]), 3).tolist() == [0, 1, 2]
