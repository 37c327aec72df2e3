"""Training: which rows serve what, that it repeats to the last bit, and what it refuses."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.errors import DatasetError, OutputError, StoreError, UnknownNameError
from features.store import FeatureStore
from models.booster import BoosterParams
from models.bundle import load, verify
from models.metrics import METRICS, VERDICT_METRICS, roc_auc
from pipelines.train import summary, train
from tests import toy

SPLITS = ["train", "validation", "calibration", "test"]


@pytest.fixture(scope="module", autouse=True)
def _toy_block() -> Iterator[None]:
    with toy.registered():
        yield


def run(cache: Path, out: Path, **options: Any) -> dict[str, Any]:
    return train(cache, out, **{"params": toy.QUICK, "resamples": 5, "threads": 1, **options})


def retrain(tmp_path: Path, columns: dict[str, list[Any]], name: str = "other") -> dict[str, Any]:
    return run(toy.fill(tmp_path / f"{name}-cache", columns), tmp_path / name)


def relabel(columns: dict[str, list[Any]], split: str, label: int) -> None:
    for row, found in enumerate(columns["split"]):
        if found == split:
            columns["label"][row] = label


@pytest.fixture(scope="module")
def cache(_toy_block: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.fill(tmp_path_factory.mktemp("cache"), toy.table())


@pytest.fixture(scope="module")
def bundle(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "bundle"
    run(cache, out)
    return out


def test_manifest_is_complete_and_returned(cache: Path, bundle: Path, tmp_path: Path) -> None:
    manifest = run(cache, tmp_path / "again")
    assert json.loads((bundle / "manifest.json").read_text()) == manifest
    assert manifest["name"] == "toy"
    assert manifest["feature_set"] == toy.toy_set().to_json()
    assert manifest["feature_names"] == list(toy.toy_set().names)
    training = manifest["training"]
    assert list(training["rows"]) == SPLITS
    assert sum(sum(counts.values()) for counts in training["rows"].values()) == toy.ROWS
    assert training["priors"] == {"training_fake": pytest.approx(2 / 3), "calibrated_fake": 0.5}
    assert training["params"]["num_leaves"] == toy.QUICK.num_leaves
    for part in ("test", "test_balanced"):
        assert {*METRICS, *VERDICT_METRICS} < set(manifest["metrics"][part])
    assert manifest["metrics"]["test_balanced"]["real"] == manifest["metrics"]["test_balanced"]["fake"]


def test_a_summary_leaves_out_what_only_programs_want(bundle: Path) -> None:
    told, whole = summary(bundle), load(bundle)
    assert (told["digest"], told["metrics"]) == (whole.digest, whole.manifest["metrics"])
    assert whole.manifest.keys() - told.keys() == {"feature_set", "feature_names", "calibration_scores"}


def test_same_store_and_seed_give_the_same_digest(cache: Path, bundle: Path, tmp_path: Path) -> None:
    run(cache, tmp_path / "elsewhere", threads=2)
    assert load(tmp_path / "elsewhere").digest == load(bundle).digest
    assert verify(bundle) == []


def test_shards_and_order_of_the_manifest_do_not_count(bundle: Path, tmp_path: Path) -> None:
    columns = {name: values[::-1] for name, values in toy.table().items()}
    vectors = toy.vectors(toy.table()["label"])[::-1]
    store = FeatureStore(tmp_path / "cache")
    store.prepare()
    store.write_manifest(columns)
    for part in range(5):
        keys = [(digest, "") for digest in columns["sha256"][part::5]]
        store.write_shard(toy.toy_set(), keys, np.ascontiguousarray(vectors[part::5]))
    run(tmp_path / "cache", tmp_path / "other")
    assert load(tmp_path / "other").digest == load(bundle).digest


@pytest.mark.parametrize("option", [{"seed": 1}, {"name": "mine"}, {"params": BoosterParams(max_trees=5)}])
def test_what_is_asked_for_counts(cache: Path, bundle: Path, tmp_path: Path, option: dict[str, Any]) -> None:
    run(cache, tmp_path / "other", **option)
    assert load(tmp_path / "other").digest != load(bundle).digest


def test_nothing_tells_the_place(cache: Path, bundle: Path) -> None:
    for file in bundle.iterdir():
        assert not any(str(place.parent).encode() in file.read_bytes() for place in (cache, bundle))


def test_test_figures_are_those_of_the_bundle_itself(cache: Path, bundle: Path) -> None:
    columns, detector = toy.table(), load(bundle)
    at = [row for row, split in enumerate(columns["split"]) if split == "test"]
    labels = np.array(columns["label"])[at]
    probabilities = detector.probability(toy.vectors(columns["label"])[at])
    reported = detector.manifest["metrics"]["test"]
    assert reported["rows"] == len(at)
    assert reported["auc"]["value"] == pytest.approx(roc_auc(labels, probabilities, np.ones(len(at))))
    assert reported["accuracy"]["value"] == pytest.approx(np.mean((probabilities >= 0.5) == labels))


def test_test_rows_change_figures_only(bundle: Path, tmp_path: Path) -> None:
    columns = toy.table()
    at = [row for row, split in enumerate(columns["split"]) if split == "test"]
    for row in at:
        columns["label"][row] = 1 - columns["label"][row]
    straight, flipped = toy.table()["label"], columns["label"]
    columns["label"] = straight
    cache = toy.fill(tmp_path / "cache", columns)  # the vectors of the true labels
    FeatureStore(cache).write_manifest({**columns, "label": flipped})
    other = run(cache, tmp_path / "other")
    assert (tmp_path / "other" / "booster.txt").read_bytes() == (bundle / "booster.txt").read_bytes()
    detector = load(bundle)
    assert other["calibration"] == detector.calibration.to_json()
    assert other["operating_points"] == detector.points.to_json()
    mirrored = 1 - detector.manifest["metrics"]["test"]["auc"]["value"]
    assert other["metrics"]["test"]["auc"]["value"] == pytest.approx(mirrored)


def test_forgeries_teach_and_do_not_judge(bundle: Path, tmp_path: Path) -> None:
    plain, both = toy.table(), toy.table(2 * toy.ROWS)
    for row in range(toy.ROWS, 2 * toy.ROWS):
        both["kind"][row], both["source"][row] = "forged.swap" * both["label"][row], "forged"
    other = retrain(tmp_path, both)
    found = load(bundle).manifest
    assert other["training"]["forged_share"] == pytest.approx(1 / 3)
    assert sum(other["training"]["rows"]["train"].values()) > both["split"][: toy.ROWS].count("train")
    for part in ("calibration", "test"):
        assert other["training"]["rows"][part] == found["training"]["rows"][part]
        assert other["training"]["groups"][part] == found["training"]["groups"][part]
        assert sum(other["training"]["rows"][part].values()) == plain["split"].count(part)
    assert other["metrics"]["test"]["rows"] == plain["split"].count("test")
    assert sum(map(len, other["calibration_scores"].values())) == plain["split"].count("calibration")
    alone = retrain(tmp_path, {name: values[toy.ROWS :] for name, values in both.items()}, "forged")
    assert sum(map(len, alone["calibration_scores"].values())) == both["split"][toy.ROWS :].count("calibration")


def test_calibration_rows_place_the_sigmoid_and_nothing_else(bundle: Path, tmp_path: Path) -> None:
    columns = toy.table()
    cache = toy.fill(tmp_path / "cache", columns)
    kept = [row for row, split in enumerate(columns["split"]) if split != "calibration" or row % 2]
    FeatureStore(cache).write_manifest({name: [values[row] for row in kept] for name, values in columns.items()})
    other = run(cache, tmp_path / "other")
    assert (tmp_path / "other" / "booster.onnx").read_bytes() == (bundle / "booster.onnx").read_bytes()
    assert other["calibration"] != load(bundle).calibration.to_json()


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("label", [0, 1])
def test_a_part_of_one_class_is_refused(tmp_path: Path, split: str, label: int) -> None:
    columns = toy.table()
    relabel(columns, split, label)
    count = columns["split"].count(split)
    counts = f"{0 if label else count} real and {count if label else 0} fake"
    with pytest.raises(DatasetError, match=rf"the {split} part has {counts} images; both are needed"):
        retrain(tmp_path, columns)


def test_an_empty_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="part has 0 real and 0 fake images"):
        retrain(tmp_path, toy.table(6))


def test_failed_images_are_left_out_and_counted(tmp_path: Path) -> None:
    columns = toy.table()
    columns["error"][7] = "corrupt_image: ends early"
    training = retrain(tmp_path, columns)["training"]
    assert training["left_out"] == {"failed": 1, "labelled_both": 0, "repeated": 0}
    assert sum(training["sources"].values()) == toy.ROWS - 1


def test_images_found_twice_count_once_and_those_of_two_labels_not_at_all(tmp_path: Path) -> None:
    columns = toy.table()
    for row, label in ((10, columns["label"][10]), (20, 1 - columns["label"][20])):
        for values in columns.values():
            values.append(values[row])
        columns["path"][-1] = f"again/{row}.jpg"
        columns["label"][-1] = label
    training = retrain(tmp_path, columns)["training"]
    assert training["left_out"] == {"failed": 0, "labelled_both": 2, "repeated": 1}
    assert sum(training["sources"].values()) == toy.ROWS - 1


def test_kinds_of_fakes_are_left_out_of_every_part(tmp_path: Path) -> None:
    columns = toy.table()
    swaps = range(2, toy.ROWS, 3)
    for row in swaps:
        columns["kind"][row] = "forged.swap"
    cache = toy.fill(tmp_path / "cache", columns)
    training = run(cache, tmp_path / "out", without=["forged.swap"])["training"]
    assert training["without"] == ["forged.swap"]
    assert training["left_out"] == {"failed": 0, "labelled_both": 0, "repeated": 0, "kinds": len(swaps)}
    assert training["rows"]["test"]["real"] == training["rows"]["test"]["fake"]
    with pytest.raises(UnknownNameError, match=r"no kind 'forged\.swop'.*'forged\.swap'"):
        run(cache, tmp_path / "out", without=["forged.swop"])


def test_perturbed_variants_serve_training_only(cache: Path, bundle: Path, tmp_path: Path) -> None:
    columns = toy.table()
    other = toy.fill(tmp_path / "cache", columns)
    keys = [(digest, "blurred") for digest in columns["sha256"]]
    FeatureStore(other).write_shard(toy.toy_set(), keys, toy.vectors(columns["label"], seed=9))
    training = run(other, tmp_path / "out")["training"]
    plain = load(bundle).manifest["training"]
    assert training["rows"] == plain["rows"]
    assert training["variants"] == {"blurred": sum(plain["rows"]["train"].values())}
    assert plain["variants"] == {}
    assert (tmp_path / "out" / "booster.txt").read_bytes() != (bundle / "booster.txt").read_bytes()


def test_how_faces_were_found_is_recorded_and_told(bundle: Path, tmp_path: Path) -> None:
    columns = toy.table()
    store = FeatureStore(tmp_path / "cache")
    store.prepare()
    store.write_manifest(columns)
    keys = [(digest, "") for digest in columns["sha256"]]
    store.write_shard(toy.toy_set(), keys, toy.vectors(columns["label"]), faces="framing/7")
    manifest, whole = run(tmp_path / "cache", tmp_path / "out"), load(bundle).manifest
    assert (manifest["training"]["faces"], whole["training"]["faces"]) == ("framing/7", "off")
    assert manifest["training"]["data_digest"] == whole["training"]["data_digest"]
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text()
    assert "Of every image the largest face was measured, cropped to `framing/7`." in card
    assert "--profile toy --faces auto --out CACHE" in card
    card = (bundle / "MODEL_CARD.md").read_text()
    assert "Every image was measured whole." in card
    assert "--faces" not in card


def test_an_unfinished_extract_is_refused(tmp_path: Path) -> None:
    columns = toy.table()
    toy.fill(tmp_path / "cache", columns)
    more = toy.table(toy.ROWS + 3)
    FeatureStore(tmp_path / "cache").write_manifest(more)
    with pytest.raises(DatasetError, match="3 of 603 images have no features yet; run the same extract again"):
        run(tmp_path / "cache", tmp_path / "out")


def test_rows_that_the_manifest_no_longer_lists_are_not_used(cache: Path, bundle: Path, tmp_path: Path) -> None:
    toy.fill(tmp_path / "cache", toy.table(toy.ROWS + 90))
    FeatureStore(tmp_path / "cache").write_manifest(toy.table())
    training = run(tmp_path / "cache", tmp_path / "out")["training"]
    assert training["data_digest"] == load(bundle).manifest["training"]["data_digest"]


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        run(tmp_path / "nowhere", tmp_path / "out")


def test_a_place_that_is_taken_is_refused(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists and is not a bundle"):
        run(cache, tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_progress_is_told_and_nothing_printed(cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[int, int, float]] = []
    run(cache, tmp_path / "out", progress=lambda *state: seen.append(state))
    assert seen[0][:2] == (1, toy.QUICK.max_trees)
    assert all(0 <= auc <= 1 for _, _, auc in seen)
    assert capfd.readouterr() == ("", "")
