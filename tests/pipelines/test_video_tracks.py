"""Faces are followed: the closest first, over gaps, and never two into one."""

import math

import pytest

from pipelines.video_tracks import REACH, Box, Tracker, apart


def at(x: int, y: int = 0, side: int = 100) -> Box:
    return (x, y, side, side)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (at(0), 0.0),
        (at(30, 40), 0.5),
        (at(300), 3.0),
        ((-25, -25, 150, 150), 0.0),
        ((25, 0, 150, 150), math.hypot(50, 25) / 150),
        (at(0, side=161), math.inf),
        (at(0, side=62), math.inf),
    ],
)
def test_the_distance_is_that_of_centres_in_sides_of_the_larger_box(other: Box, expected: float) -> None:
    assert apart(at(0), other) == apart(other, at(0)) == pytest.approx(expected)


def test_faces_keep_their_numbers_while_they_move_and_change_places_in_the_list() -> None:
    tracker = Tracker(1.0)
    assert tracker.follow(0.0, [at(0), at(500)]) == [1, 2]
    assert tracker.follow(0.2, [at(520), at(40)]) == [2, 1]
    assert tracker.follow(0.4, [at(80), at(540), at(1000)]) == [1, 2, 3]


def test_the_closest_pair_is_chosen_first_and_no_track_takes_two_faces() -> None:
    tracker = Tracker(1.0)
    assert tracker.follow(0.0, [at(0)]) == [1]
    assert tracker.follow(0.2, [at(50), at(10)]) == [2, 1]
    assert tracker.follow(0.4, [at(30)]) == [1]  # 20 from either: the older track


def test_a_leap_is_another_face() -> None:
    tracker = Tracker(1.0)
    assert tracker.follow(0.0, [at(0)]) == [1]
    assert tracker.follow(0.2, [at(round(100 * REACH))]) == [1]
    assert tracker.follow(0.4, [at(round(100 * REACH) * 2 + 1)]) == [2]


@pytest.mark.parametrize(("gap", "track"), [(0.9, 1), (1.0, 1), (1.1, 2)])
def test_a_gap_is_bridged_while_patience_lasts(gap: float, track: int) -> None:
    tracker = Tracker(1.0)
    tracker.follow(0.0, [at(0)])
    assert tracker.follow(gap / 2, []) == []
    assert tracker.follow(gap, [at(20)]) == [track]


def test_after_a_cut_every_face_is_new() -> None:
    tracker = Tracker(1.0)
    assert tracker.follow(0.0, [at(0), at(300)]) == [1, 2]
    tracker.cut()
    assert tracker.follow(0.2, [at(0), at(300)]) == [3, 4]
