"""The distance against its definition in float64, the limit against its promise, and rows against their company."""

import math

import numpy as np
import pytest
from onnx import TensorProto, helper
from threadpoolctl import threadpool_info, threadpool_limits

from features.errors import BundleError
from models import novelty as module
from models.novelty import EXCEEDED, Floats, Novelty, Values, _learn, fit, limit

WIDTH = 70


def rows(n: int, seed: int = 0) -> Values:
    """Draw rows of ten strong directions and noise around a mean, the same directions for every seed."""
    directions = np.random.default_rng(99).normal(size=(10, WIDTH))
    rng = np.random.default_rng(seed)
    return (5 + rng.normal(size=(n, 10)) @ directions + 0.3 * rng.normal(size=(n, WIDTH))).astype(np.float32)


def expected(train: Values, values: Values, components: int = 32) -> Floats:
    """The distance as the module's first lines define it, by a singular value decomposition in float64."""
    low, median, high = np.percentile(train.astype(np.float64), [1, 50, 99], axis=0)
    clipped = [np.clip((x - median) / (high - low) * 4.652696, -4, 4) for x in (train, values)]
    centred = [x - clipped[0].mean(axis=0) for x in clipped]
    _, sizes, directions = np.linalg.svd(centred[0], full_matrices=False)
    inside = [x @ directions[:components].T for x in centred]
    left = [np.log((x**2).sum(axis=1) - (p**2).sum(axis=1)) for x, p in zip(centred, inside, strict=True)]
    scores = inside[1] / (sizes[:components] / math.sqrt(len(train)))
    total = (scores**2).sum(axis=1) + ((left[1] - left[0].mean()) / left[0].std()) ** 2
    return np.asarray(np.sqrt(total / (components + 1)), np.float64)


@pytest.fixture(scope="module")
def train() -> Values:
    return rows(600)


@pytest.fixture(scope="module")
def novelty(train: Values) -> Novelty:
    return Novelty(fit(train), 2.0)


def test_distances_by_hand() -> None:
    """One component: values on a line, deviation one after scaling, nothing left over."""
    values = np.repeat(np.linspace(-1, 1, 201, dtype=np.float32)[:, None], 2, axis=1)
    found = Novelty(fit(values), 1.0).distances(np.array([[0, 0], [1, 1], [-1, -1]], np.float32))
    scale = np.sqrt(np.mean(np.linspace(-1, 1, 201) ** 2))
    np.testing.assert_allclose(found, np.array([0, 1 / scale, 1 / scale]) / np.sqrt(2), atol=1e-4)


def test_distances_are_what_the_definition_says(train: Values, novelty: Novelty) -> None:
    values = np.concatenate([rows(50, 1), 3 * rows(50, 2), np.zeros((1, WIDTH), np.float32)])
    np.testing.assert_allclose(novelty.distances(values), expected(train, values), rtol=2e-4)
    assert novelty.width == WIDTH


def test_a_typical_row_is_at_one_and_a_strange_one_beyond(train: Values, novelty: Novelty) -> None:
    assert np.sqrt(np.mean(novelty.distances(train) ** 2)) == pytest.approx(1, abs=1e-3)
    strange = np.random.default_rng(3).permuted(rows(50, 1), axis=1)  # the same values at other places
    assert novelty.distances(strange).min() > np.quantile(novelty.distances(rows(500, 4)), 0.99)


def test_what_components_leave_over_counts(train: Values, novelty: Novelty) -> None:
    """A step across all directions of the training rows is strange, however little they vary there."""
    _, _, directions = np.linalg.svd(train - train.mean(axis=0))
    across = train[:20] + np.float32(4) * directions[-1].astype(np.float32)
    assert (novelty.distances(across) > novelty.distances(train[:20])).all()


def test_a_row_has_the_same_bits_alone_and_in_company(novelty: Novelty) -> None:
    values = rows(37, 5)
    whole = novelty.distances(values)
    assert whole.dtype == np.float64
    assert whole.shape == (37,)
    for size in (1, 2, 3, 8, 32):
        parts = [novelty.distances(values[i : i + size]) for i in range(0, 37, size)]
        assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert novelty.distances(values[::-1]).tobytes() == whole[::-1].tobytes()
    assert novelty.distances(np.asfortranarray(values)).tobytes() == whole.tobytes()
    assert novelty.distances(values[:0]).shape == (0,)


def test_a_fit_repeats_and_shares_no_sum_between_threads(train: Values, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eigenvectors differ in their last bits by the number of threads that BLAS has."""
    used: list[int] = []

    def learn(rows: Floats) -> dict[str, Floats]:
        used.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        return _learn(rows)

    monkeypatch.setattr(module, "_learn", learn)
    with threadpool_limits(2):
        assert fit(train) == fit(train)
    assert used
    assert set(used) == {1}


def test_only_chosen_rows_and_columns_count(train: Values) -> None:
    values = np.hstack([train, np.random.default_rng(0).normal(size=(600, 5)).astype(np.float32)])
    part = Novelty(fit(values, range(100, 400), range(WIDTH)), 1.0)
    assert part.width == WIDTH + 5
    alone = Novelty(fit(train[100:400]), 1.0).distances(train)
    np.testing.assert_array_equal(part.distances(values), alone)
    values[:, WIDTH:] = 1e6
    np.testing.assert_array_equal(part.distances(values), alone)


def test_columns_that_never_move_do_not_count(train: Values) -> None:
    dust = (1e-9 * np.random.default_rng(0).normal(size=(600, 1))).astype(np.float32)
    still = np.hstack([train, np.full((600, 1), 7, np.float32), 1 + dust])
    found = Novelty(fit(still), 1.0)
    distances = found.distances(still)
    still[:, WIDTH:] += 1
    np.testing.assert_array_equal(found.distances(still), distances)


def test_extreme_values_are_far_and_finite(novelty: Novelty) -> None:
    extremes = np.array([[3e38] * WIDTH, [-3e38] * WIDTH], np.float32)
    distances = novelty.distances(extremes)
    assert np.isfinite(distances).all()
    assert (distances > 2).all()


def test_rows_that_are_all_alike_can_be_fitted() -> None:
    distances = Novelty(fit(np.ones((5, 3), np.float32)), 1.0).distances(np.ones((2, 3), np.float32))
    assert np.isfinite(distances).all()


def test_many_rows_are_drawn_from(train: Values, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.novelty._ROWS", 300)
    drawn = Novelty(fit(train), 1.0)
    assert fit(train) == fit(train)
    np.testing.assert_allclose(drawn.distances(train), expected(train, train), rtol=0.5)


@pytest.mark.parametrize(("images", "place"), [(98, None), (99, 98), (100, 99), (199, 197), (1000, 990)])
def test_the_limit_by_hand(images: int, place: int | None) -> None:
    distances = np.random.default_rng(0).permutation(images).astype(np.float64)
    assert limit(distances) == place
    assert EXCEEDED == 0.01


def test_the_limit_keeps_its_promise_on_further_rows() -> None:
    rng = np.random.default_rng(7)
    beyond = [rng.exponential(size=500) > (limit(rng.exponential(size=150)) or np.nan) for _ in range(400)]
    assert np.mean(beyond) <= EXCEEDED


@pytest.mark.parametrize(
    ("distances", "times"), [([2.0], None), ([1.0, 3.0], None), ([2.02], "1.01"), ([3.0, 9.4], "3.10")]
)
def test_a_reason_says_how_far(novelty: Novelty, distances: list[float], times: str | None) -> None:
    reason = times and f"unlike the images that the detector was trained on: {times} times the distance allowed"
    assert novelty.judge(distances) == reason


@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, math.nan])
def test_a_limit_is_a_positive_number(train: Values, bad: float) -> None:
    with pytest.raises(BundleError, match=r"novelty\.onnx: its limit is"):
        Novelty(fit(train[:50]), bad)


def test_other_models_are_refused() -> None:
    with pytest.raises(BundleError, match=r"novelty\.onnx does not load"):
        Novelty(b"x", 1.0)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in ("features", "score")]
    graph = helper.make_graph([helper.make_node("Abs", ["features"], ["score"])], "g", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(BundleError, match="a model of something else"):
        Novelty(model.SerializeToString(), 1.0)


def test_it_is_small() -> None:
    values = np.random.default_rng(0).normal(size=(100, 2000)).astype(np.float32)
    assert len(fit(values)) < 300_000
