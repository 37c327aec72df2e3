"""A bundle gives back what was saved, bit for bit, and nothing where one bit is wrong."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.errors import BundleError, FeatureMismatchError, OutputError, UnknownNameError
from models import bundle, files
from models.booster import BoosterParams, Part, fit
from models.bundle import CARD, FILES, inspect, load, resolve, save, verify
from models.tree_text import to_onnx
from models.trees import Trees
from models.verdict import ModelRef
from pipelines.engine import map_jobs
from tests import toy

ROOT = Path(__file__).parents[2]
ARCHIVES = ROOT / "tests" / "archives"
MANIFEST = "manifest.json"
BATCHES = (1, 2, 31, 32, 33, 1000)


@pytest.fixture
def copy(bundle_folder: Path, tmp_path: Path) -> Path:
    """A bundle that may be damaged."""
    return Path(shutil.copytree(bundle_folder, tmp_path / "copy"))


@pytest.fixture(scope="module")
def big() -> tuple[bytes, Any]:
    """Several hundred trees, and rows for them."""
    labels = np.arange(4000) % 2
    values = toy.vectors(labels.tolist(), 40)
    params = BoosterParams(learning_rate=0.02, num_leaves=31, max_trees=400, early_stopping_rounds=400)
    names = [f"v.{i}" for i in range(40)]
    fitted = fit(Part(values, labels), Part(values[:500], labels[:500]), names, params=params, threads=1)
    assert fitted.best_iteration > 300
    return to_onnx(fitted.text), toy.vectors([0, 1] * 1500, 40, seed=1)


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_load_gives_what_was_trained(bundle_folder: Path) -> None:
    detector = load(bundle_folder)
    manifest = json.loads((bundle_folder / MANIFEST).read_text())
    assert detector.feature_set == toy.toy_set()
    assert detector.name == "toy"
    assert detector.calibration.to_json() == manifest["calibration"]
    assert detector.points.to_json() == manifest["operating_points"]
    assert detector.ref == ModelRef("toy", detector.digest)
    assert detector.decide(0.0) == "real"
    assert detector.decide(1.0) == "fake"


def test_probability_is_the_calibrated_score(bundle_folder: Path) -> None:
    detector = load(bundle_folder)
    values = toy.vectors([0, 1] * 50, seed=3)
    probabilities = detector.probability(values)
    assert probabilities.dtype == np.float64
    np.testing.assert_array_equal(probabilities, detector.calibration.probability(detector.trees.scores(values)))
    assert probabilities[1::2].mean() > probabilities[::2].mean() + 0.1


@pytest.mark.parametrize("size", BATCHES)
def test_score_of_a_row_has_the_same_bits_in_any_batch(big: tuple[bytes, Any], size: int) -> None:
    onnx, values = big
    trees = Trees(onnx)
    whole = trees.scores(values)
    parts = [trees.scores(values[i : i + size]) for i in range(0, len(values), size)]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_probability_has_the_same_bits_beside_any_rows(bundle_folder: Path) -> None:
    detector = load(bundle_folder)
    values = toy.vectors([0, 1] * 500, seed=4)
    whole = detector.probability(values)
    order = np.random.default_rng(0).permutation(len(values))
    assert detector.probability(values[order]).tobytes() == whole[order].tobytes()
    assert np.concatenate([detector.probability(row[None]) for row in values]).tobytes() == whole.tobytes()


def test_views_of_one_thing_count_by_the_mean_of_their_scores(bundle_folder: Path) -> None:
    detector = load(bundle_folder)
    values = toy.vectors([0, 1, 1, 0], detector.trees.width)
    first, *pair, last = detector.trees.scores(values).tolist()
    expected = detector.calibration.probability(np.array([first, sum(pair) / 2, last]))
    together = detector.probability(values, [1, 2, 1])
    np.testing.assert_allclose(together, expected, rtol=1e-6)
    assert together[[0, 2]].tolist() == detector.probability(values)[[0, 3]].tolist()


def _score_slice(job: tuple[bytes, Any]) -> bytes:
    onnx, values = job
    return Trees(onnx).scores(values).tobytes()


def test_score_has_the_same_bits_in_any_number_of_processes(big: tuple[bytes, Any]) -> None:
    onnx, values = big
    jobs = [(onnx, values[i : i + 370]) for i in range(0, len(values), 370)]
    assert b"".join(map_jobs(_score_slice, jobs, workers=2, ordered=True)) == Trees(onnx).scores(values).tobytes()


def test_rows_that_are_not_contiguous_are_scored_alike(big: tuple[bytes, Any]) -> None:
    onnx, values = big
    trees = Trees(onnx)
    assert trees.scores(np.asfortranarray(values[::3])).tobytes() == trees.scores(values)[::3].tobytes()


@pytest.mark.parametrize("shape", [(1, 7), (8,), (2, 9)])
def test_rows_of_another_width_are_refused(bundle_folder: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(FeatureMismatchError, match="takes rows of 8 values"):
        load(bundle_folder).probability(np.zeros(shape, np.float32))


def test_no_rows_have_no_probabilities(bundle_folder: Path) -> None:
    assert load(bundle_folder).probability(np.zeros((0, 8), np.float32)).shape == (0,)


def test_a_bundle_can_be_moved(bundle_folder: Path, copy: Path) -> None:
    assert load(copy).digest == load(bundle_folder).digest == inspect(copy)["digest"]
    assert verify(copy) == []


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("position", [0, 0.5, -1])
def test_one_flipped_bit_is_refused(copy: Path, name: str, position: float) -> None:
    data = bytearray((copy / name).read_bytes())
    data[int(position * len(data)) if position > 0 else int(position)] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(BundleError, match=rf"{name}: damaged"):
        load(copy)
    assert len(verify(copy)) == 1


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(BundleError, match=rf"{name}: no such file"):
        load(copy)
    assert len(verify(copy)) == 1


@pytest.mark.parametrize("version", [0, 3, "1", None])
def test_an_unknown_format_version_is_named(copy: Path, version: object) -> None:
    edit(copy, lambda manifest: manifest.update(format_version=version))
    for read in (load, inspect):
        with pytest.raises(BundleError, match=rf"format_version {version!r} is not known; this version reads 1 to 2"):
            read(copy)


@pytest.mark.parametrize("name", ["../x", "/etc/hostname", "a/b", "..", ".hidden", "", "a\\b", "x\n"])
def test_a_file_name_that_leaves_the_folder_is_refused(copy: Path, name: str) -> None:
    (copy.parent / "x").write_bytes(b"")
    edit(copy, lambda manifest: manifest["files"].update({name: "00"}))
    for read in (load, inspect):
        with pytest.raises(BundleError, match="is not a plain file name"):
            read(copy)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda m: m.pop("files"), "no table of files"),
        (lambda m: m["files"].pop("booster.onnx"), "lacks booster.onnx"),
        (lambda m: m["files"].update({"booster.onnx": 1}), "sha256 of booster.onnx is not a string"),
        (lambda m: m.pop("calibration"), "malformed: KeyError: 'calibration'"),
        (lambda m: m["calibration"].update(method="isotonic"), "'isotonic' is not known"),
        (lambda m: m["operating_points"].update(fake_from=-1), "cross"),
        (lambda m: m.update(feature_set=[]), "malformed"),
        (lambda m: m.pop("format_version"), "no format_version"),
    ],
)
def test_a_malformed_manifest_is_refused(copy: Path, change: Callable[[dict[str, Any]], object], cause: str) -> None:
    edit(copy, change)
    with pytest.raises(BundleError, match=cause):
        load(copy)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_manifest_is_refused(copy: Path, raw: bytes) -> None:
    (copy / MANIFEST).write_bytes(raw)
    with pytest.raises(BundleError, match=r"manifest\.json: not"):
        load(copy)


def test_sizes_are_bounded(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", 100)
    with pytest.raises(BundleError, match="larger than 100 bytes"):
        load(copy)


def test_onnx_that_does_not_run_is_refused() -> None:
    with pytest.raises(BundleError, match=r"booster\.onnx does not load"):
        Trees(b"not a graph")


def test_features_of_another_definition_are_named(copy: Path) -> None:
    edit(copy, lambda manifest: manifest["feature_set"]["blocks"][0].update(digest="0", version=0))
    with pytest.raises(FeatureMismatchError, match=r"block toy\.moments differs: written by version 0"):
        load(copy)


def test_features_in_another_order_are_refused(copy: Path) -> None:
    edit(copy, lambda manifest: manifest["feature_names"].reverse())
    with pytest.raises(FeatureMismatchError, match="other names or in another order"):
        load(copy)


def test_an_unknown_block_is_named(copy: Path) -> None:
    edit(copy, lambda manifest: manifest["feature_set"]["blocks"][0].update(name="toy.momentz"))
    with pytest.raises(UnknownNameError, match=r"did you mean 'toy\.moments'"):
        load(copy)


def test_inspect_does_not_load(copy: Path) -> None:
    (copy / "booster.onnx").unlink()
    record = inspect(copy)
    assert next(iter(record)) == "digest"
    assert record["training"]["seed"] == 0


def test_verify_lists_everything(copy: Path) -> None:
    (copy / "booster.txt").write_text("")
    (copy / "MODEL_CARD.md").unlink()
    (copy / "notes.txt").write_text("")
    found = verify(copy)
    assert [problem.partition(": ")[0].rpartition("/")[2] for problem in found] == [
        "booster.txt",
        "notes.txt",
    ]
    assert verify(copy / "nowhere") == [f"{copy / 'nowhere' / MANIFEST}: no such file or directory"]


def test_the_card_may_be_written_anew(bundle_folder: Path, copy: Path) -> None:
    (copy / CARD).write_text("# Measured again\n")
    assert verify(copy) == []
    assert load(copy).digest == load(bundle_folder).digest


def test_a_start_is_added_to_the_trees(bundle_folder: Path, copy: Path) -> None:
    names = toy.toy_set().names
    start = {"names": [names[6], names[1]], "weights": [2.0, -0.5], "means": [0.25, 1.0]}
    edit(copy, lambda manifest: manifest.update(start=start))
    detector, plain, values = load(copy), load(bundle_folder), toy.vectors([0, 1] * 20, seed=5)
    added = 2.0 * (values[:, 6].astype(float) - 0.25) - 0.5 * (values[:, 1].astype(float) - 1.0)
    np.testing.assert_array_equal(detector.scores(values), plain.scores(values) + added)
    np.testing.assert_array_equal(
        detector.probability(values), detector.calibration.probability(detector.scores(values))
    )
    assert (
        np.concatenate([detector.probability(row[None]) for row in values]).tobytes()
        == detector.probability(values).tobytes()
    )
    both = detector.scores(values[:2]).mean()
    assert detector.probability(values[:2], [2]).tolist() == detector.calibration.probability([both]).tolist()


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"names": ["toy.moments.value.9"]}, "names 'toy.moments.value.9', which is no feature"),
        ({"weights": []}, "not one weight and one mean for each name"),
        ({"means": [float("inf")]}, "no finite number"),
        ({"weights": None}, "malformed"),
    ],
)
def test_a_malformed_start_is_refused(copy: Path, change: dict[str, Any], cause: str) -> None:
    start = {"names": [toy.toy_set().names[0]], "weights": [1.0], "means": [0.0]}
    edit(copy, lambda manifest: manifest.update(start=start | change))
    with pytest.raises(BundleError, match=cause):
        load(copy)


def test_novelty_without_its_limit_is_refused(tmp_path: Path) -> None:
    copied = Path(shutil.copytree(ARCHIVES / "format-2", tmp_path / "copy"))
    found = load(copied).novelty
    assert found is not None
    assert found.limit == inspect(copied)["novelty"]["limit"]
    edit(copied, lambda manifest: manifest.pop("novelty"))
    with pytest.raises(BundleError, match="malformed: KeyError: 'novelty'"):
        load(copied)


def test_verify_tells_what_only_loading_shows(copy: Path) -> None:
    edit(copy, lambda manifest: manifest["feature_names"].pop())
    assert "trained on 7 features" in verify(copy)[0]


def contents(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    manifest = json.loads((folder / MANIFEST).read_text())
    return manifest, {name: (folder / name).read_bytes() for name in FILES}


def test_save_replaces_a_bundle_and_nothing_else(bundle_folder: Path, tmp_path: Path) -> None:
    manifest, files = contents(bundle_folder)
    place = tmp_path / "new" / "detector"
    written = save(place, manifest, files)
    assert load(place).digest == load(bundle_folder).digest
    assert written == manifest
    save(place, {**manifest, "name": "second"}, files)
    assert load(place).name == "second"
    assert [path.name for path in place.parent.iterdir()] == ["detector"]


def test_save_leaves_other_things_alone(bundle_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"a")
    (tmp_path / "file").write_bytes(b"b")
    (tmp_path / "empty").mkdir()
    for name in ("photos", "file"):
        with pytest.raises(OutputError, match="exists and is not a bundle"):
            save(tmp_path / name, *contents(bundle_folder))
    save(tmp_path / "empty", *contents(bundle_folder))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "photos"]


def test_save_that_fails_leaves_the_old_bundle(
    bundle_folder: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, files = contents(bundle_folder)

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="no space left on device"):
        save(copy, manifest, files)
    monkeypatch.undo()
    assert verify(copy) == []
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


def test_resolve_knows_what_ships(bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "PRETRAINED", tmp_path)
    shutil.copytree(bundle_folder, tmp_path / "fast")
    assert resolve("fast") == tmp_path / "fast"
    assert resolve(str(bundle_folder)) == bundle_folder
    with pytest.raises(UnknownNameError, match="no model 'fsat'; did you mean 'fast'"):
        resolve("fsat")
    with pytest.raises(UnknownNameError, match="no model 'full'; known: fast"):
        resolve("full")


@pytest.mark.parametrize(("model", "cause"), [("a/nowhere", "no such folder"), (__file__, "not a folder")])
def test_resolve_names_what_is_wrong_with_a_path(model: str, cause: str) -> None:
    with pytest.raises(BundleError, match=cause):
        resolve(model)


def test_scoring_imports_stay_light() -> None:
    code = "import sys, models.bundle, models.verdict; print(*sorted(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {"lightgbm", "sklearn", "pandas", "torch", "scipy", "onnx", "pyarrow", "joblib"}
    assert not heavy.intersection(done.stdout.split())


@pytest.mark.parametrize("archive", sorted(path.name for path in ARCHIVES.iterdir() if path.is_dir()))
def test_archived_bundles_stay_readable(archive: str) -> None:
    rows = json.loads((ARCHIVES / f"{archive}.json").read_text())
    detector = load(ARCHIVES / archive)
    values = np.array(rows["values"], np.float32)
    np.testing.assert_allclose(detector.probability(values), rows["probabilities"], rtol=0, atol=1e-9)
    assert verify(ARCHIVES / archive) == []


def test_the_format_in_force_is_archived() -> None:
    assert inspect(ARCHIVES / f"format-{bundle.FORMAT_VERSION}")["format_version"] == bundle.FORMAT_VERSION
