"""The test of the evidence map itself: forgeries differ only in their masks, and good and bad maps are told apart."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import evidence
from benchmarks.evidence import KINDS, _Seen, forge, mask_at_random, measure
from features.frame import WORKING_SIZE
from features.perturb import jpeg
from pipelines.dataset import read_dataset, split_of
from tests.benchmarks.conftest import Run
from tests.images import jpeg as encoded
from tests.images import photo

COUNT = 60
SIDE = 112


def masks() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [mask_at_random(rng) for _ in range(400)]


def test_patches_have_all_sizes_and_lie_everywhere() -> None:
    drawn = masks()
    sides = []
    for mask in drawn:
        rows, columns = (np.flatnonzero((mask > 0.5).any(axis=axis)) for axis in (1, 0))
        sides += [np.ptp(rows) / WORKING_SIZE, np.ptp(columns) / WORKING_SIZE]
        assert mask.shape == (WORKING_SIZE, WORKING_SIZE)
        assert mask.min() >= 0
        assert mask.max() <= 1 + 1e-9
    assert max(sides) <= 0.51
    assert np.quantile(sides, 0.02) < 0.13
    assert np.quantile(sides, 0.98) > 0.4
    covered = np.mean([mask > 0.5 for mask in drawn], axis=0)
    border, middle = covered[:40].mean(), covered[92:132, 92:132].mean()
    assert border > 0.6 * middle


def test_a_forgery_differs_from_its_face_only_about_its_mask() -> None:
    kinds = set()
    for seed in range(40):
        made = forge(photo(seed), photo(seed + 100), np.random.default_rng(seed))
        kinds.add(made.kind)
        apart = np.abs(made.forged.astype(int) - made.original).max(axis=2)
        assert (made.original == jpeg(photo(seed), 75)).all()
        rows, columns = np.nonzero(made.mask)
        far = np.ones_like(made.mask)
        reach = 40  # the soft edge, and the JPEG blocks that it touches
        far[max(0, rows.min() - reach) : rows.max() + reach, max(0, columns.min() - reach) : columns.max() + reach] = (
            False
        )
        assert apart[far].max(initial=0) <= 2
        assert apart[made.mask].mean() > 0.2
    assert kinds == set(KINDS)


def shapes() -> list[np.ndarray]:
    """What the first masks cover, every other pixel."""
    return [mask[::2, ::2] > 0.5 for mask in masks()[:COUNT]]


def seen(maps: list[np.ndarray]) -> list[_Seen]:
    drawn = shapes()
    nothing = np.zeros((SIDE, SIDE))
    kinds = list(KINDS)
    return [
        _Seen(mask, kinds[i % len(kinds)], np.stack([own, nothing]), (1.0, 0.0), 0.5)
        for i, (mask, own) in enumerate(zip(drawn, maps, strict=True))
    ]


GROUPS = [f"g{i}" for i in range(COUNT)]


def test_a_map_that_shows_the_mask_gets_all_and_one_that_shows_its_outside_nothing() -> None:
    drawn = [shape.astype(float) for shape in shapes()]
    found = measure(seen(drawn), GROUPS)["forged"]["all"]
    assert found["inside"]["mean"] == 1.0
    assert found["auc"]["mean"] == 1.0
    assert found["over_mean_map"]["interval"][0] > 0.7
    found = measure(seen([-one for one in drawn]), GROUPS)
    assert found["forged"]["all"]["inside"]["mean"] == 0.0
    assert found["forged"]["all"]["auc"]["mean"] == 0.0
    assert found["moved"]["all"]["auc"]["mean"] == 1.0


def test_a_map_that_is_always_the_same_passes_for_nothing() -> None:
    found = measure(seen([evidence._blob(SIDE)] * COUNT), GROUPS)
    forged = found["forged"]["all"]
    assert forged["over_mean_map"]["mean"] == pytest.approx(0.0, abs=1e-9)
    assert forged["auc_over_mean_map"]["mean"] == pytest.approx(0.0, abs=1e-5)
    assert forged["inside"] == found["blob"]["inside"]
    assert forged["over_area"]["interval"][0] < 0.01


def test_a_map_without_evidence_is_a_coin() -> None:
    nothing = np.zeros((SIDE, SIDE))
    found = measure(seen([nothing] * COUNT), GROUPS)["change"]["all"]
    assert (found["auc"]["mean"], found["inside"]["mean"]) == (0.5, 0.0)


def test_slices_part_the_faces() -> None:
    drawn = [shape.astype(float) for shape in shapes()]
    found = measure(seen(drawn), GROUPS)
    assert sum(found["forged"][kind]["faces"] for kind in KINDS) == COUNT
    assert [found["forged"][third]["faces"] for third in ("small", "medium", "large")] == [20, 20, 20]
    assert found["score_rise"]["mean"] == found["score_rise"]["share_that_rises"] == 1.0


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Real textures of test groups only, and one fake."""
    rows = ["path,label,group"]
    groups = [f"g{i}" for i in range(200) if split_of(f"g{i}") == "test"][:8]
    for number, group in enumerate([*groups, "other"]):
        (tmp_path / f"{number}.jpg").write_bytes(encoded(photo(number)))
        rows.append(f"{number}.jpg,{'fake' if group == 'other' else 'real'},{group}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_the_script_measures_real_test_faces(run: Run, faces: Path, small_detector: Path) -> None:
    real = [sample for sample in read_dataset([str(faces)]) if not sample.label]
    record = run(evidence.main, "--data", faces, "--model", small_detector, "--jobs", 1, "--faces", 6)
    figures = record["figures"]
    assert (len(real), figures["faces"], figures["groups"]) == (8, 6, 6)
    assert 0 < figures["area"]["least"] <= figures["area"]["mean"] <= figures["area"]["most"] < 0.25
    for name in ("forged", "change", "moved"):
        column = figures[name]["all"]
        for figure in ("inside", "auc", "inside_of_mean_map", "auc_of_mean_map"):
            low, high = column[figure]["interval"]
            assert 0 <= low <= column[figure]["mean"] <= high <= 1
    again = run(evidence.main, "--data", faces, "--model", small_detector, "--jobs", 2, "--faces", 6)
    assert again["figures"] == figures
