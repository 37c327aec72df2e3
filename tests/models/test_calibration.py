"""The sigmoid against an independent minimiser, and the operating points against their definition."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from features.errors import BundleError
from models.calibration import Calibration, Floats, OperatingPoints, calibration_scores, too_few, with_prior

RNG = np.random.default_rng(5)


def sample(reals: int, fakes: int, seed: int = 0) -> tuple[Floats, np.typing.NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], [reals, fakes])
    return rng.normal(size=reals + fakes) * 1.5 + 2.0 * labels - 0.3, labels


def expected_fit(scores: Floats, labels: np.typing.NDArray[np.int64]) -> Floats:
    """Minimise Platt's weighted loss, written out term by term, with a general minimiser."""
    fakes, reals = int(labels.sum()), int((1 - labels).sum())

    def loss(theta: Floats) -> float:
        total = 0.0
        for score, label in zip(scores.tolist(), labels.tolist(), strict=True):
            target = (fakes + 1) / (fakes + 2) if label else 1 / (reals + 2)
            p = 1 / (1 + math.exp(-(theta[0] * score + theta[1])))
            total -= (target * math.log(p) + (1 - target) * math.log(1 - p)) / (fakes if label else reals)
        return total

    return np.asarray(
        optimize.minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14}).x
    )


@pytest.mark.parametrize(("reals", "fakes"), [(120, 120), (40, 200), (3, 2)])
def test_fit_minimises_the_weighted_loss(reals: int, fakes: int) -> None:
    scores, labels = sample(reals, fakes)
    fitted = Calibration.fit(scores, labels)
    np.testing.assert_allclose([fitted.slope, fitted.intercept], expected_fit(scores, labels), rtol=1e-5, atol=1e-6)


def test_fit_does_not_depend_on_scale_or_offset_of_the_scores() -> None:
    scores, labels = sample(200, 300)
    plain = Calibration.fit(scores, labels).probability(scores)
    moved = 1e4 + 1e-3 * scores
    np.testing.assert_allclose(Calibration.fit(moved, labels).probability(moved), plain, atol=1e-6)


def test_fit_is_for_equal_priors_whatever_the_mixture() -> None:
    scores, labels = sample(4000, 4000)
    few_reals = np.concatenate([np.flatnonzero(labels == 0)[:500], np.flatnonzero(labels == 1)])
    even, uneven = Calibration.fit(scores, labels), Calibration.fit(scores[few_reals], labels[few_reals])
    assert even.probability(0.7) == pytest.approx(uneven.probability(0.7), abs=0.02)
    assert np.mean(even.probability(scores)) == pytest.approx(0.5, abs=0.005)


def test_calibration_is_a_sigmoid_and_never_isotonic() -> None:
    scores, labels = sample(300, 300)
    fitted = Calibration.fit(scores, labels)
    assert fitted.to_json() == {"method": "platt", "slope": fitted.slope, "intercept": fitted.intercept}
    probabilities = fitted.probability(np.sort(scores))
    assert (np.diff(probabilities) > 0).all()  # an isotonic fit is constant between few steps
    logits = np.log(probabilities / (1 - probabilities))
    np.testing.assert_allclose(logits, fitted.slope * np.sort(scores) + fitted.intercept, atol=1e-9)


def test_separable_scores_keep_away_from_certainty() -> None:
    labels = np.repeat([0, 1], 30)
    probabilities = Calibration.fit(labels * 10.0, labels).probability([0.0, 10.0])
    np.testing.assert_allclose(probabilities, [1 / 32, 31 / 32], atol=1e-6)


def test_equal_scores_tell_nothing() -> None:
    labels = np.repeat([0, 1], [10, 30])
    assert Calibration.fit(np.ones(40), labels).probability(1.0) == pytest.approx(0.5, abs=0.05)


def test_one_class_cannot_be_calibrated() -> None:
    with pytest.raises(ValueError, match="both classes, not 0 real and 5 fake"):
        Calibration.fit(np.arange(5.0), np.ones(5, np.int64))


def test_probability_of_a_row_has_the_same_bits_in_any_batch() -> None:
    scores = RNG.normal(size=997) * 8
    fitted = Calibration(1.37, -0.21)
    whole = fitted.probability(scores)
    for size in (1, 2, 3, 7, 8, 31, 32, 33):
        parts = [fitted.probability(scores[i : i + size]) for i in range(0, len(scores), size)]
        assert np.concatenate(parts).tobytes() == whole.tobytes()


@pytest.mark.parametrize("score", [-1e9, -745.0, 0.0, 745.0, 1e9])
def test_extreme_scores_give_probabilities(score: float) -> None:
    assert 0 <= Calibration(1.0, 0.0).probability(score) <= 1


def test_json_round_trip() -> None:
    fitted, points = Calibration(1.25, -0.5), OperatingPoints(0.9, 0.1)
    assert Calibration.from_json(fitted.to_json()) == fitted
    assert OperatingPoints.from_json(points.to_json()) == points


def test_unknown_method_and_crossed_points_are_refused() -> None:
    with pytest.raises(ValueError, match="'isotonic' is not known"):
        Calibration.from_json({"method": "isotonic", "slope": 1, "intercept": 0})
    with pytest.raises(ValueError, match="cross"):
        OperatingPoints.from_json({"fake_from": 0.2, "real_below": 0.4})


shares = st.floats(0, 1, exclude_min=True, exclude_max=True)
probabilities = st.lists(st.integers(0, 50).map(lambda i: i / 50), min_size=1, max_size=260)


@given(reals=probabilities, fakes=probabilities)
def test_points_keep_their_promises(reals: list[float], fakes: list[float]) -> None:
    values, labels = np.array(reals + fakes), np.repeat([0, 1], [len(reals), len(fakes)])
    points = OperatingPoints.fit(values, labels)
    assert points.real_below <= points.fake_from
    assert sum(p >= points.fake_from for p in reals) <= 0.01 * len(reals)
    assert sum(p < points.real_below for p in fakes) <= 0.05 * len(fakes)


@given(reals=probabilities, fakes=probabilities)
def test_points_leave_no_more_uncertain_than_they_must(reals: list[float], fakes: list[float]) -> None:
    points = OperatingPoints.fit(np.array(reals + fakes), np.repeat([0, 1], [len(reals), len(fakes)]))
    if points.real_below < points.fake_from:  # neither point could be moved to the next value
        lower = [p for p in reals if p < points.fake_from]
        assert not lower or sum(p >= max(lower) for p in reals) > 0.01 * len(reals)
        higher = [p for p in fakes if p > points.real_below]
        assert not higher or sum(p < min(higher) for p in fakes) > 0.05 * len(fakes)


def test_points_by_hand() -> None:
    reals = np.arange(200) / 200  # 1 % are two rows: 0.99 and 0.995
    fakes = np.arange(100) / 100  # 5 % are five rows: 0 to 0.04
    points = OperatingPoints.fit(np.concatenate([reals, fakes]), np.repeat([0, 1], [200, 100]))
    assert points == OperatingPoints(fake_from=0.99, real_below=0.05)
    assert [points.decide(p) for p in (0.0, 0.0499, 0.05, 0.5, 0.9899, 0.99, 1.0)] == [
        "real", "real", "uncertain", "uncertain", "uncertain", "fake", "fake",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("real", "fake", "point"), [(0.1, 0.9, 0.5), (0.7, 0.9, np.nextafter(0.7, 1)), (0.1, 0.3, 0.3)]
)
def test_classes_far_apart_leave_nothing_uncertain(real: float, fake: float, point: float) -> None:
    points = OperatingPoints.fit(np.repeat([real, fake], 10), np.repeat([0, 1], 10))
    assert points == OperatingPoints(point, point)
    assert (points.decide(real), points.decide(fake)) == ("real", "fake")


@pytest.mark.parametrize(
    ("max_fpr", "max_miss", "fake_from", "real_below"),
    [
        (0.005, 0.1, 0.995, 0.1),  # one real, ten fakes
        (0.05, 0.01, 0.95, 0.01),
        (0.0149, 0.0001, 0.99, 0.0),  # two reals; no fake, so that none is called real
        (0.001, 0.5, np.nextafter(0.995, 2), 0.5),  # no real: above all of them
    ],
)
def test_points_for_other_shares_by_hand(max_fpr: float, max_miss: float, fake_from: float, real_below: float) -> None:
    values, labels = np.concatenate([np.arange(200) / 200, np.arange(100) / 100]), np.repeat([0, 1], [200, 100])
    points = OperatingPoints.fit(values, labels, max_fpr=max_fpr, max_miss=max_miss)
    assert points == OperatingPoints(fake_from, real_below)


def test_wide_shares_meet_in_one_point() -> None:
    values, labels = np.concatenate([np.arange(200) / 200, np.arange(100) / 100]), np.repeat([0, 1], [200, 100])
    assert OperatingPoints.fit(values, labels, max_fpr=0.5, max_miss=0.6) == OperatingPoints(0.5, 0.5)
    assert OperatingPoints.fit(values, labels, max_fpr=0.3, max_miss=0.9) == OperatingPoints(0.7, 0.7)


@given(reals=probabilities, fakes=probabilities, max_fpr=shares, max_miss=shares)
def test_points_keep_the_promises_that_are_asked_for(
    reals: list[float], fakes: list[float], max_fpr: float, max_miss: float
) -> None:
    values, labels = np.array(reals + fakes), np.repeat([0, 1], [len(reals), len(fakes)])
    kept = json.loads(json.dumps(calibration_scores(values, labels)))
    points = OperatingPoints.of_scores(kept, max_fpr=max_fpr, max_miss=max_miss)
    assert points == OperatingPoints.fit(values, labels, max_fpr=max_fpr, max_miss=max_miss)
    assert points.real_below <= points.fake_from
    assert sum(p >= points.fake_from for p in reals) <= max_fpr * len(reals)
    assert sum(p < points.real_below for p in fakes) <= max_miss * len(fakes)
    notes = too_few(kept, max_fpr=max_fpr, max_miss=max_miss)
    if any("for fake" in note for note in notes):
        assert points.fake_from > max(reals)
    if any("for real" in note for note in notes):
        assert points.real_below <= min(fakes)


def test_the_usual_shares_give_the_usual_points_from_what_is_kept() -> None:
    scores, labels = sample(638, 1536)
    values = Calibration(1.2, -0.4).probability(scores)
    kept = calibration_scores(values, labels)
    assert OperatingPoints.of_scores(kept) == OperatingPoints.fit(values, labels)
    assert OperatingPoints.of_scores(kept, max_fpr=0.01, max_miss=0.05) == OperatingPoints.fit(values, labels)


def test_scores_are_kept_by_class_and_in_order() -> None:
    kept = calibration_scores(np.array([0.9, 0.2, 0.7, 1 / 3]), np.array([1, 0, 1, 0]))
    assert kept == {"real": [0.2, 1 / 3], "fake": [0.7, 0.9]}


def test_shares_of_less_than_one_image_are_told() -> None:
    kept = {"real": [0.1] * 600, "fake": [0.9] * 1500}
    assert too_few(kept) == []
    assert too_few(kept, max_fpr=1 / 600, max_miss=1 / 1500) == []
    assert too_few(kept, max_fpr=0.0001, max_miss=0.0005) == [
        "600 real calibration images are too few for a share of 0.0001 false positives: the point for fake lies above"
        " all of them",
        "1500 fake calibration images are too few for a share of 0.0005 misses: the point for real lies below all of"
        " them",
    ]


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 5.0, float("nan")])
def test_impossible_shares_are_refused(share: float) -> None:
    values, labels = np.array([0.1, 0.9]), np.array([0, 1])
    with pytest.raises(ValueError, match=f"max_fpr lies between 0 and 1, both excluded, not {share:g}"):
        OperatingPoints.fit(values, labels, max_fpr=share)
    with pytest.raises(ValueError, match="max_miss lies between"):
        OperatingPoints.fit(values, labels, max_miss=share)


@pytest.mark.parametrize(
    "kept", [{"real": [0.1]}, {"real": [], "fake": [0.9]}, {"real": [0.1], "fake": [1.5]}, {"real": "a", "fake": [0]}]
)
def test_malformed_scores_are_refused(kept: Any) -> None:
    with pytest.raises(BundleError, match="malformed calibration scores"):
        OperatingPoints.of_scores(kept)


def test_prior_follows_bayes() -> None:
    assert with_prior(0.8, 0.5) == pytest.approx(0.8)
    assert with_prior(0.8, 0.01) == pytest.approx(0.8 * 0.01 / (0.8 * 0.01 + 0.2 * 0.99))
    assert with_prior(0.0, 0.3) == 0.0
    assert with_prior(1.0, 0.3) == 1.0


@pytest.mark.parametrize("prior", [0.0, 1.0, -0.1, float("nan")])
def test_impossible_priors_are_refused(prior: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        with_prior(0.5, prior)
