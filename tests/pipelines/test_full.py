"""The full path: a store that a network measured, the detector trained on it, its verdicts without torch."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

import cli
from benchmarks import ablation, fusion
from benchmarks.stages import NETWORK, Stages
from features import device, spec
from features.device import Device
from features.embedding import network_of, open_network
from features.errors import BundleError, DatasetError, FeatureMismatchError, StoreError
from features.frame import Frame
from features.profiles import feature_set, forensic
from features.store import MANIFEST_COLUMNS, FeatureStore
from models import bundle as bundle_module
from models.bundle import load, save, verify
from models.cnn import Settings
from models.metrics import roc_auc
from models.weights import RECORD, Weights
from pipelines import network_run
from pipelines.dataset import Sample, held_back, read_dataset
from pipelines.extract import Summary, extract
from pipelines.score import load_detector
from pipelines.train import train
from pipelines.train_network import train_network
from pipelines.training_data import read_data
from tests.images import corpus
from tests.networks import onnx_of, training_folder
from tests.toy import QUICK

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    return read_dataset([str(corpus(tmp_path_factory.mktemp("corpus"), 70, size=64))])


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(training_folder(tmp_path_factory.mktemp("network")))


@pytest.fixture(scope="module")
def other_network(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(training_folder(tmp_path_factory.mktemp("network"), seed=1))


def run(samples: list[Sample], out: Path, **options: Any) -> Summary:
    return extract(samples, str(out), **{"profile": "full", "workers": 1, **options})


def fit(cache: Path, out: Path) -> dict[str, Any]:
    return train(cache, out, params=QUICK, threads=1, resamples=5)


@pytest.fixture(scope="module")
def cache(samples: list[Sample], network: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cache") / "full"
    run(samples, out, network=network, variants=["mirror"])
    return out


@pytest.fixture(scope="module")
def bundle(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bundle") / "full"
    fit(cache, out)
    return out


@pytest.fixture
def copy(cache: Path, tmp_path: Path) -> Path:
    """A store that may be changed."""
    return Path(shutil.copytree(cache, tmp_path / "copy"))


def test_a_store_holds_both_and_keeps_its_network(samples: list[Sample], cache: Path, network: str) -> None:
    store, weights = FeatureStore(cache), Weights.read(network)
    assert store.feature_set == feature_set("full", weights.params)
    assert (cache / "network.onnx").read_bytes() == weights.onnx == onnx_of()
    session = load_session(cache)
    parts = {True: store.load(forensic(store.feature_set).names), False: store.load()}
    rows = {learnt: list(zip(part.sha256, part.variant, strict=True)) for learnt, part in parts.items()}
    for sample in samples[::20]:
        key = hashlib.sha256(Path(sample.path).read_bytes()).hexdigest(), ""
        expected = store.feature_set.measure([Frame.load(sample.path)], session)[0]
        for learnt, part in parts.items():
            if learnt or not is_learnt(sample):
                assert part.values[rows[learnt].index(key)].tobytes() == expected[: len(part.names)].tobytes()
    assert len(rows[True]) == len(samples) + sum(sample.split == "train" for sample in samples)


def test_the_network_measures_nothing_that_it_may_have_learnt_from(samples: list[Sample], cache: Path) -> None:
    learnt = {hashlib.sha256(Path(s.path).read_bytes()).hexdigest() for s in samples if is_learnt(s)}
    measured = set(FeatureStore(cache).load().sha256)
    assert learnt
    assert not measured & learnt
    assert measured | learnt == set(FeatureStore(cache).manifest()["sha256"])


def is_learnt(sample: Sample) -> bool:
    return sample.split == "train" and not held_back(sample.group)


def load_session(cache: Path) -> spec.Session:
    return open_network((cache / "network.onnx").read_bytes())


def test_a_store_of_profile_fast_is_extended_by_what_is_new(
    samples: list[Sample], network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, out = [sample for sample in samples if not is_learnt(sample)][:8], tmp_path / "c"
    run(few, out, profile="fast")
    before = FeatureStore(out).load()

    def never(self: spec.BlockSpec, frame: Frame) -> spec.Values:
        raise AssertionError(f"{self.name} was measured again")

    monkeypatch.setattr(spec.BlockSpec, "compute", never)
    assert run(few, out, network=network).done == 8
    after = FeatureStore(out).load()
    assert after.values[:, : len(before.names)].tobytes() == before.values.tobytes()
    assert after.names[: len(before.names)] == before.names
    assert after.values[:, len(before.names) :].std(axis=0).max() > 0
    assert run(few, out, network=network).cached == 8
    assert run(few, out, profile="fast").profile == "full"  # a store that holds more keeps holding more
    learnt = [sample for sample in samples if is_learnt(sample)][:3]
    monkeypatch.undo()
    assert (run([*few, *learnt], out, network=network).done, run(learnt, out, network=network).cached) == (3, 3)
    assert len(FeatureStore(out).load().sha256) == 8
    assert len(FeatureStore(out).load(before.names).sha256) == 11


def test_another_network_measures_anew(samples: list[Sample], network: str, other_network: str, tmp_path: Path) -> None:
    few, out = [sample for sample in samples if not is_learnt(sample)][:4], tmp_path / "c"
    first = run(few, out, network=network)
    second = run(few, out, network=other_network)
    assert (second.done, second.cached) == (4, 0)
    assert first.digest != second.digest
    assert network_of(FeatureStore(out).feature_set) == Weights.read(out).sha256 == Weights.read(other_network).sha256


def test_processes_do_not_matter(samples: list[Sample], cache: Path, network: str, tmp_path: Path) -> None:
    run(samples[:40], tmp_path / "c", network=network, workers=2)
    whole, part = FeatureStore(cache).load(), FeatureStore(tmp_path / "c").load()
    rows = {key: row for row, key in enumerate(zip(whole.sha256, whole.variant, strict=True))}
    assert part.values.tobytes() == whole.values[[rows[sha256, ""] for sha256 in part.sha256]].tobytes()


def test_a_gpu_measures_the_same_within_rounding(
    samples: list[Sample], cache: Path, network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "cuda_available", lambda: True)
    monkeypatch.setitem(device.DEVICES, "cuda", Device("cpu", half=True))
    said: list[str] = []
    run(samples[:3], tmp_path / "c", network=network, device="auto", say=said.append)
    assert said == ["device: the GPU"]
    whole, part = FeatureStore(cache).load(), FeatureStore(tmp_path / "c").load()
    rows = [whole.sha256.index(sha256) for sha256 in part.sha256]  # the image itself comes before its variants
    np.testing.assert_allclose(part.values, whole.values[rows], rtol=0, atol=1e-4)
    assert part.values.tobytes() != whole.values[rows].tobytes()


def test_no_network_is_an_error_that_says_what_to_do(
    samples: list[Sample], network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_module, "PRETRAINED", tmp_path / "pretrained")
    with pytest.raises(BundleError, match="profile full needs a network, and none ships; name one with --network"):
        run(samples, tmp_path / "c")
    with pytest.raises(BundleError, match="profile fast measures without a network"):
        run(samples, tmp_path / "c", profile="fast", network=network)
    with pytest.raises(BundleError, match="no such folder"):
        run(samples, tmp_path / "c", network=str(tmp_path / "nowhere"))
    assert not (tmp_path / "c").exists()


def test_a_store_without_its_network_says_so(samples: list[Sample], copy: Path, other_network: str) -> None:
    Weights.read(other_network).write(copy)
    with pytest.raises(StoreError, match="keeps another network than it was measured with"):
        run(samples[:1], copy, profile="fast")
    with pytest.raises(StoreError, match="keeps another network than it was measured with"):
        fit(copy, copy.parent / "bundle")
    (copy / RECORD).unlink()
    with pytest.raises(BundleError, match="holds no finished network"):
        fit(copy, copy.parent / "bundle")


# Training


def test_the_booster_learns_only_from_groups_that_the_network_never_saw(
    samples: list[Sample], bundle: Path, cache: Path, network: str
) -> None:
    manifest = load(bundle).manifest
    unseen = [sample for sample in samples if sample.split == "train" and held_back(sample.group)]
    seen = [sample for sample in samples if sample.split == "train" and not held_back(sample.group)]
    rows = manifest["training"]["rows"]["train"]
    assert rows == {"real": len(unseen) / 2, "fake": len(unseen) / 2}
    assert manifest["training"]["variants"] == {"mirror": len(unseen)}
    assert manifest["training"]["groups"]["train"] == len({sample.group for sample in unseen})
    forensic_trees = manifest["training"]["forensic_trees"]
    assert forensic_trees["rows"]["train"] == {"real": len(seen) / 2, "fake": len(seen) / 2}
    assert forensic_trees["variants"] == {"mirror": len(seen)}
    assert manifest["network"] == Weights.read(network).record
    card = (bundle / "MODEL_CARD.md").read_text()
    assert f"on the {len(seen) // 2} real and {len(seen) // 2} fake images" in " ".join(card.split())
    assert "--profile full --network NETWORK --variant mirror --out CACHE" in card
    assert "train-network DATASET... --out NETWORK" in card


def test_without_what_the_network_learnt_from_there_are_no_forensic_trees(copy: Path) -> None:
    store = FeatureStore(copy)
    manifest = store.manifest()
    kept = [
        row for row, (split, group) in enumerate(zip(manifest["split"], manifest["group"], strict=True))
        if split != "train" or held_back(group)
    ]  # fmt: skip
    store.write_manifest({name: manifest[name].iloc[kept].tolist() for name in MANIFEST_COLUMNS})
    with pytest.raises(DatasetError, match="the train part has 0 real and 0 fake images for the forensic trees"):
        fit(copy, copy.parent / "bundle")


def test_the_first_trees_see_nothing_of_the_network(bundle: Path) -> None:
    detector = load(bundle)
    width = len(forensic(detector.feature_set).names)
    fields = re.findall(r"^split_feature=(.*)$", (bundle / "booster.txt").read_text(), re.MULTILINE)
    highest = [max(map(int, field.split()), default=0) for field in fields]
    first, second = detector.manifest["training"]["stages"]
    assert len(highest) == first + second == detector.manifest["training"]["best_iteration"]
    assert max(highest[:first]) < width


def test_a_score_is_the_start_and_what_lightgbm_makes_of_its_text(bundle: Path, cache: Path) -> None:
    detector, values = load(bundle), FeatureStore(cache).load().values
    start = detector.start
    assert start is not None
    assert start.names == ("embedding.logit.value",)
    logits = values[:, detector.feature_set.names.index("embedding.logit.value")].astype(np.float64)
    trees = lightgbm.Booster(model_str=(bundle / "booster.txt").read_text()).predict(values, raw_score=True)
    expected = trees + start.weights[0] * (logits - start.means[0])
    np.testing.assert_allclose(detector.scores(values), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("training", "held"), [({"held_back": {"percent": 10}}, "10"), ({}, "no")])
def test_a_network_that_learnt_from_other_groups_is_refused(copy: Path, training: dict[str, Any], held: str) -> None:
    weights = Weights.read(copy)
    Weights(weights.onnx, {**weights.record, "training": training}).write(copy)
    with pytest.raises(DatasetError, match=f"its network held back {held} per cent of the training groups, .* fits 20"):
        fit(copy, copy.parent / "bundle")


def test_a_group_is_held_back_by_any_spelling_of_its_name(tmp_path: Path) -> None:
    groups = [f"caf\udce9 {i}" for i in range(50)]
    columns: dict[str, list[object]] = dict.fromkeys(MANIFEST_COLUMNS, ["x"] * len(groups))
    store = FeatureStore(tmp_path)
    store.prepare()
    store.write_manifest({**columns, "group": list(groups)})
    written = store.manifest()["group"]
    assert written[0] != groups[0]
    assert [held_back(group) for group in written] == [held_back(group) for group in groups]
    assert 2 < sum(map(held_back, groups)) < 25


def test_what_train_network_leaves_is_what_extract_and_train_take(
    samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_run, "_MOST", {"train": 2, "validation": 2})
    settings = Settings(batch=4, evaluations=1)
    record = train_network(samples, tmp_path / "network", steps=2, settings=settings, threads=1)
    run(samples, tmp_path / "cache", network=str(tmp_path / "network"))
    manifest = fit(tmp_path / "cache", tmp_path / "bundle")
    assert manifest["network"]["training"] == record["training"]
    left = sum(manifest["training"]["forensic_trees"]["rows"]["train"].values())
    assert left == sum(record["training"]["rows"]["train"].values())
    assert sum(manifest["training"]["rows"]["train"].values()) == record["training"]["held_back"]["rows"]
    assert verify(tmp_path / "bundle") == []


# The bundle


def test_the_bundle_holds_and_checks_its_network(bundle: Path, tmp_path: Path) -> None:
    assert verify(bundle) == []
    assert (bundle / "network.onnx").read_bytes() == onnx_of()
    assert Weights.read(bundle).onnx == onnx_of()
    damaged = Path(shutil.copytree(bundle, tmp_path / "damaged"))
    (damaged / "network.onnx").write_bytes(onnx_of()[:-1])
    with pytest.raises(BundleError, match=r"network\.onnx: damaged"):
        load(damaged)
    (damaged / "network.onnx").unlink()
    assert verify(damaged) == [f"{damaged / 'network.onnx'}: no such file or directory"]


def test_a_bundle_with_no_network_or_another_is_refused(bundle: Path, tmp_path: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    files = {name: (bundle / name).read_bytes() for name in ("booster.onnx", "booster.txt", "MODEL_CARD.md")}
    save(tmp_path / "none", manifest, files)
    with pytest.raises(BundleError, match=r"the table of files lacks network\.onnx"):
        load(tmp_path / "none")
    save(tmp_path / "other", manifest, {**files, "network.onnx": onnx_of(1)})
    with pytest.raises(FeatureMismatchError, match=r"network\.onnx: not the network that its features were measured"):
        load(tmp_path / "other")


def test_a_verdict_depends_on_nothing_beside(bundle: Path, samples: list[Sample]) -> None:
    detector = load_detector(str(bundle), "off")
    paths = [sample.path for sample in samples[::20]]
    together = [rows[0].probability for rows in detector.score_all([(path, path) for path in paths])]
    assert together == [detector.score(path).probability for path in paths]
    assert len(set(together)) > 2
    values = detector.bundle.measure([Frame.load(path) for path in paths])
    assert detector.bundle.probability(values).tolist() == together


def test_the_gpu_gives_the_same_verdicts_within_rounding(
    bundle: Path, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "cuda_available", lambda: True)
    monkeypatch.setitem(device.DEVICES, "cuda", Device("cpu", half=True))
    frames = [Frame.load(sample.path) for sample in samples[:3]]
    gpu, cpu = load_detector(str(bundle), "off", "cuda").bundle, load_detector(str(bundle), "off").bundle
    np.testing.assert_allclose(gpu.measure(frames), cpu.measure(frames), rtol=0, atol=1e-4)


WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in {names}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import cli
cli.main({arguments})
"""


def command(arguments: list[str], *without: str) -> str:
    code = WITHOUT.format(names=without, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_torch_the_bundle_scores(bundle: Path, samples: list[Sample]) -> None:
    arguments = ["score", samples[0].path, "--model", str(bundle), "--faces", "off", "--format", "ndjson"]
    row = json.loads(command(arguments, "torch", "safetensors", "lightgbm", "pandas", "sklearn", "onnx", "pyarrow"))
    assert row["probability"] == load_detector(str(bundle), "off").score(samples[0].path).probability
    assert row["model"] == {"name": "full", "digest": load(bundle).digest}


def test_without_torch_the_bundles_network_measures_and_trains(
    bundle: Path, cache: Path, samples: list[Sample], tmp_path: Path
) -> None:
    out, folder = tmp_path / "cache", str(Path(samples[0].path).parents[1])
    arguments = ["extract", folder, "--out", str(out), "--profile", "full", "--network", str(bundle), "--jobs", "1"]
    summary = json.loads(command([*arguments, "--variant", "mirror", "--format", "json"], "torch", "safetensors"))
    assert summary["digest"] == load(bundle).feature_set.digest
    assert FeatureStore(out).load().values.tobytes() == FeatureStore(cache).load().values.tobytes()
    command(["train", str(out), "--out", str(tmp_path / "bundle"), "--jobs", "1"], "torch", "safetensors")
    assert (tmp_path / "bundle" / "network.onnx").read_bytes() == onnx_of()


def test_the_command_says_what_is_missing(
    samples: list[Sample], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_module, "PRETRAINED", tmp_path / "pretrained")
    folder = str(Path(samples[0].path).parents[1])
    with pytest.raises(SystemExit) as ended:
        cli.main(["extract", folder, "--out", str(tmp_path / "c"), "--profile", "full"])
    assert ended.value.code == 1
    assert capsys.readouterr().err == ("error: profile full needs a network, and none ships; name one with --network\n")


# Benchmarks


def test_the_ablation_counts_the_network_and_leaves_out_what_it_saw(
    cache: Path, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablation.Fits, "run", lambda self, choices, seeds: {title: [0.5] * 2 for title in choices})
    folder = str(Path(samples[0].path).parents[1])
    found = ablation.measure(cache, [folder], rows=1000, seeds=1, images=2, say=lambda line: None)
    unseen = [sample for sample in samples if sample.split == "train" and held_back(sample.group)]
    assert sum(found["rows"].values()) == len(unseen)
    assert found["families"]["embedding"] == {"blocks": 2, "auc_alone": 0.5, "auc_lost_without": 0.0}
    assert found["blocks"]["embedding.logit"]["values"] == 1


def test_the_network_is_timed_as_what_its_blocks_share(bundle: Path, samples: list[Sample]) -> None:
    detector = load(bundle)
    stages = Stages(detector.feature_set, detector.network)
    spans = stages.time_vector(samples[0].path)
    assert spans[f"plane {NETWORK}"] > 20 * spans["embedding.stages"]
    assert [block for block, planes in stages.asked.items() if NETWORK in planes] == [
        "embedding.stages",
        "embedding.logit",
    ]


def test_the_ways_to_decide_together_are_compared(bundle: Path, cache: Path, small_detector: Path) -> None:
    found = fusion.measure(bundle, cache, params=QUICK, resamples=20)
    assert next(iter(found["ways"])) == "network alone"
    assert list(found["ways"])[-1] == "two stages"
    assert found["over_network_alone"]["two stages"] == found["two_stages_over"]["network alone"]
    manifest, data = load(bundle).manifest, read_data(FeatureStore(cache))
    assert found["images"] == manifest["training"]["rows"]["calibration"] == data.counts["calibration"]
    part = data.part("calibration")
    own = roc_auc(part.labels, load(bundle).probability(part.held), np.ones(len(part.labels)))
    assert found["ways"]["two stages"]["auc"]["value"] == own
    with pytest.raises(BundleError, match="not a detector of profile full"):
        fusion.measure(small_detector, cache)


def test_both_stages_grow_on_values_that_stay_in_the_store(cache: Path, bundle: Path, tmp_path: Path) -> None:
    manifest = train(cache, tmp_path / "stored", params=QUICK, threads=1, resamples=5, memory=1.0)
    training, held = manifest["training"], load(bundle).manifest["training"]
    assert training["engine"] == {"name": "local", "workers": 1, "rows": [count_trained(held)]}
    for name in ("data_digest", "rows", "groups", "variants", "left_out", "forensic_trees"):
        assert training[name] == held[name]
    assert all(training["stages"])
    assert verify(tmp_path / "stored") == []
    detector, data = load(tmp_path / "stored"), read_data(FeatureStore(cache))
    part = data.part("test")
    auc = roc_auc(part.labels, detector.probability(part.held), np.ones(len(part.labels)))
    assert auc == pytest.approx(manifest["metrics"]["test"]["auc"]["value"])


def count_trained(training: dict[str, Any]) -> int:
    return int(sum(training["rows"]["train"].values()) + sum(training["variants"].values()))
