"""Which images come together in a batch: both classes alike, and among the fakes every head and every family alike."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, count, cycle, groupby, islice

import numpy as np

from features.errors import DatasetError
from pipelines.dataset import Sample
from pipelines.kinds import FOUND, family_of, lesson_of, lessons

__all__ = ["draw_batches"]

_Kind = tuple[str, tuple[str, ...]]  # family, empty for reals, and the heads that it teaches


def draw_batches(rows: Sequence[Sample], size: int, seed: int) -> Iterator[list[int]]:
    """Draw batches without end: half real, half fake, no group twice, each kind shuffled anew whenever it is through.

    The heads share the fakes equally, and the families those of their head; reals that teach other heads share equally.

    Parameters
    ----------
    rows : sequence of Sample
        Both classes; a family is drawn from apart.
    size : int
        Images in a batch; where there are too few groups, a batch has fewer.
    seed : int
        Of the order.

    Yields
    ------
    list of int
        Positions in `rows`: the reals, then the fakes, kind by kind.

    Raises
    ------
    DatasetError
        A class, or a family, has fewer than two groups.
    """
    table = lessons(rows)
    members: dict[_Kind, list[int]] = {}
    for position, sample in enumerate(rows):
        members.setdefault((family_of(sample), lesson_of(sample, table)), []).append(position)
    kinds = sorted(members, key=lambda kind: (kind[0] != "", kind[0] != FOUND, kind))
    decks = {kind: _Deck(rows, members[kind], [seed, number]) for number, kind in enumerate(kinds)}
    half = min(size // 2, *(deck.groups // 2 for deck in decks.values()))
    if half < 1 or len({not family for family, _ in kinds}) < 2:
        raise DatasetError("a batch needs real and fake images, of two groups each at least, each family of forgeries")
    reals, fakes = cycle([kind for kind in kinds if not kind[0]]), _turns([kind for kind in kinds if kind[0]])
    while True:
        taken: set[str] = set()
        drawn = Counter([*islice(reals, half), *islice(fakes, half)])
        yield [row for kind, deck in decks.items() for row in deck.draw(drawn[kind], taken)]


def _turns(kinds: Sequence[_Kind]) -> Iterator[_Kind]:
    """Name a kind for each fake to come: the heads take turns, and so do the families of a head."""
    heads = [cycle(list(members)) for _, members in groupby(kinds, key=lambda kind: kind[1])]
    return (next(head) for head in cycle(heads))


class _Deck:
    """The rows of one kind, shuffled; a row that has to wait, because its group is there, comes as soon as it can."""

    def __init__(self, rows: Sequence[Sample], own: Sequence[int], seed: Sequence[int]) -> None:
        self.groups = len({rows[position].group for position in own})
        self._rows = rows
        self._waiting: list[int] = []
        orders = (np.random.default_rng([*seed, epoch]).permutation(own) for epoch in count())
        self._stream = chain.from_iterable(order.tolist() for order in orders)

    def draw(self, number: int, taken: set[str]) -> list[int]:
        """Take rows of groups not in `taken`, and add these to it."""
        drawn: list[int] = []
        if not number:
            return drawn
        passed: list[int] = []
        waiting = iter(self._waiting)
        for position in chain(waiting, self._stream):
            group = self._rows[position].group
            (passed if group in taken else drawn).append(position)
            taken.add(group)
            if len(drawn) == number:
                break
        self._waiting = [*passed, *waiting]
        return drawn
