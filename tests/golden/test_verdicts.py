"""What ships judges as it did: a release that judges otherwise has another detector."""

import json
from typing import Any

import pytest

from models.bundle import load, resolve
from tests.golden.verdicts import COUNT, FARTHEST, FILE, SHARE, TOLERANCE, judged

EXACT = 1e-6
SAME_PIXELS = 0.95  # least share of pictures that come out bit for bit: some machines resize otherwise


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    return dict(json.loads(FILE.read_text()))


def test_the_file_is_of_the_detector_that_ships(kept: dict[str, Any]) -> None:
    assert kept["detector"] == load(resolve("fast")).digest, "another detector ships: python -m tests.golden.verdicts"
    assert (kept["tolerance"], kept["share"], len(kept["rows"])) == (TOLERANCE, SHARE, COUNT)


def test_the_pictures_tell_verdicts_apart(kept: dict[str, Any]) -> None:
    probabilities = [probability for _, probability, _ in kept["rows"].values()]
    assert min(probabilities) < 0.05
    assert max(probabilities) > 0.95
    assert {verdict for _, _, verdict in kept["rows"].values()} == {"real", "fake", "uncertain"}


def test_verdicts_are_golden(kept: dict[str, Any]) -> None:
    now, before = judged()["rows"], kept["rows"]
    assert list(now) == list(before)
    same = [name for name in now if now[name][0] == before[name][0]]
    assert len(same) >= SAME_PIXELS * COUNT
    jumps = {name: abs(now[name][1] - before[name][1]) for name in same}
    near = [name for name in same if jumps[name] <= TOLERANCE]
    farthest = max(same, key=jumps.__getitem__)
    assert jumps[farthest] <= FARTHEST, farthest
    assert len(near) >= SHARE * len(same), (farthest, jumps[farthest])
    assert [name for name in same if jumps[name] <= EXACT and now[name][2] != before[name][2]] == []
