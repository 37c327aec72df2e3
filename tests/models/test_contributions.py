"""Contributions add up to the score, by feature, by family and over two views; cells of a mirror image go back."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.errors import BundleError, FeatureMismatchError
from features.frame import Frame
from models.bundle import MANIFEST, Bundle, load
from models.contributions import (
    Cell,
    Contributions,
    Explainer,
    block_of,
    cells_of,
    family_of,
    mirror_order,
    shares,
)
from models.trees import Start
from tests import toy
from tests.images import photo


@pytest.fixture(scope="module")
def bundle(bundle_folder: Path) -> Bundle:
    return load(bundle_folder)


@pytest.fixture(scope="module")
def explainer(bundle: Bundle, bundle_folder: Path) -> Explainer:
    return Explainer(bundle, bundle_folder)


def test_cells_are_read_from_names_with_the_side_of_their_grid() -> None:
    names = ("a.b.x.r0c0", "a.b.x.r6c3", "a.b.y.r3c1", "a.b.x.mean", "a.b.r1c1x", "a.b.ring.k003")
    assert cells_of(names) == (Cell(0, 0, 7), Cell(6, 3, 7), Cell(3, 1, 4), None, None, None)


def test_a_mirror_image_swaps_the_cells_of_a_row_and_nothing_else() -> None:
    names = ("a.b.left_right", *(f"a.b.x.r{r}c{c}" for r in range(3) for c in range(3)))
    assert mirror_order(names).tolist() == [0, 3, 2, 1, 6, 5, 4, 9, 8, 7]


def test_names_tell_family_and_block() -> None:
    assert family_of("dct.moments.zeros.v1u2") == "dct"
    assert block_of("dct.moments.zeros.v1u2") == "dct.moments"
    assert block_of("embedding.logit.value") == "embedding.logit"


def test_shares_add_up_by_family_and_by_block() -> None:
    names = ("a.one.x", "a.one.y", "a.two.x", "b.one.x")
    found = Contributions(names, np.zeros(4, np.float32), np.array([1.0, -0.25, 0.5, -2.0]), base=0.5)
    assert shares(found) == {"a": (1.25, 1.5, -0.25), "b": (-2.0, 0.0, -2.0)}
    assert shares(found, block_of) == {
        "a.one": (0.75, 1.0, -0.25),
        "a.two": (0.5, 0.5, 0.0),
        "b.one": (-2.0, 0.0, -2.0),
    }
    assert found.score == found.base + sum(share.total for share in shares(found).values()) == -0.25


def test_contributions_add_up_to_the_score_that_is_calibrated(bundle: Bundle, explainer: Explainer) -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([toy.vectors([0, 1] * 40, seed=5), rng.normal(0, 100, (40, 8)).astype(np.float32)])
    found = explainer.explain(values)
    assert [one.score for one in found] == pytest.approx(bundle.scores(values).tolist(), abs=1e-5)
    assert len({one.base for one in found}) == 1
    assert all((one.values == row).all() for one, row in zip(found, values, strict=True))
    assert np.ptp([one.amounts for one in found], axis=0).max() > 0.1


def test_a_linear_start_adds_its_terms_exactly(bundle: Bundle, bundle_folder: Path, explainer: Explainer) -> None:
    names = bundle.feature_set.names
    start = Start((names[5], names[2]), (2.0, -0.5), (1.0, 3.0))
    started = replace(bundle, start=start)
    values = toy.vectors([0, 1, 1], seed=6)
    found = Explainer(started, bundle_folder).explain(values)
    for one, plain, row in zip(found, explainer.explain(values), values.astype(np.float64), strict=True):
        added = one.amounts - plain.amounts
        assert added[5] == pytest.approx(2.0 * (row[5] - 1.0), abs=1e-12)
        assert added[2] == pytest.approx(-0.5 * (row[2] - 3.0), abs=1e-12)
        assert (np.delete(added, [2, 5]) == 0).all()
        assert one.base == plain.base
    assert [one.score for one in found] == pytest.approx(started.scores(values).tolist(), abs=1e-5)


def test_a_face_in_two_views_gets_the_mean_with_mirrored_cells_put_back(small_detector: Path) -> None:
    bundle = load(small_detector)
    explainer = Explainer(bundle, small_detector)
    frames = [Frame.of(photo(seed)) for seed in (1, 2)]
    values = bundle.measure([frames[0], frames[0].mirrored(), frames[1]])
    both, alone = explainer.explain(values, [2, 1])
    views = explainer.explain(values)
    scores = bundle.scores(values)
    assert both.score == pytest.approx(float(scores[:2].mean()), abs=1e-5)
    assert (both.values == values[0]).all()
    assert (alone.amounts == views[2].amounts).all()
    at = {name: index for index, name in enumerate(bundle.feature_set.names)}
    for name, other in (
        ("grid.dct.h1.r2c1", "grid.dct.h1.r2c5"),
        ("texture.lbp_grid.y1.ri3.r0c0", "texture.lbp_grid.y1.ri3.r0c3"),
        ("grid.color.y.r7c7", "grid.color.y.r7c0"),
        ("grid.dct.h1.left_right", "grid.dct.h1.left_right"),
        ("color.global.mean.y", "color.global.mean.y"),
    ):
        assert both.amounts[at[name]] == (views[0].amounts[at[name]] + views[1].amounts[at[other]]) / 2


def test_rows_of_another_width_are_refused(explainer: Explainer) -> None:
    with pytest.raises(FeatureMismatchError, match=r"toy takes rows of 8 values, not \(2, 7\)"):
        explainer.explain(np.zeros((2, 7), np.float32))


def test_no_rows_give_no_contributions(explainer: Explainer) -> None:
    assert explainer.explain(np.zeros((0, 8), np.float32)) == []


def _edited(folder: Path, copy: Path, text: str) -> Path:
    """Copy a bundle with another text of its trees that its manifest vouches for."""
    shutil.copytree(folder, copy)
    (copy / "booster.txt").write_text(text)
    manifest = json.loads((copy / MANIFEST).read_text())
    manifest["files"]["booster.txt"] = hashlib.sha256(text.encode()).hexdigest()
    (copy / MANIFEST).write_text(json.dumps(manifest))
    return copy


def test_trees_that_do_not_score_are_not_explained(bundle_folder: Path, tmp_path: Path) -> None:
    text = (bundle_folder / "booster.txt").read_text()
    first = next(line for line in text.splitlines() if line.startswith("leaf_value="))
    other = _edited(bundle_folder, tmp_path / "other", text.replace(first, first.replace("=", "=9", 1), 1))
    with pytest.raises(BundleError, match=r"booster\.txt: its scores are .* off those of booster\.onnx"):
        Explainer(load(other), other).explain(toy.vectors([0, 1] * 20))
    renamed = _edited(bundle_folder, tmp_path / "renamed", text.replace("toy.moments.value.3", "toy.moments.valve.3"))
    with pytest.raises(BundleError, match="its features are not those of the bundle"):
        Explainer(load(renamed), renamed)


@pytest.mark.parametrize(
    "text", ["", "tree\nversion=v4\n", "no booster", "tree\nversion=v4\nnum_class=1\nmax_feature_idx=7\n\nTree=0\n"]
)
def test_what_is_no_booster_is_refused(bundle_folder: Path, tmp_path: Path, text: str) -> None:
    broken = _edited(bundle_folder, tmp_path / "broken", text)
    with pytest.raises(BundleError, match="booster"):
        Explainer(load(broken), broken)


def test_a_damaged_file_is_refused(bundle_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle_folder, tmp_path / "damaged")
    bundle = load(tmp_path / "damaged")
    (tmp_path / "damaged" / "booster.txt").write_text("other")
    with pytest.raises(BundleError, match="sha256"):
        Explainer(bundle, tmp_path / "damaged")
