"""Extraction: every image once, whatever happens on the way, and no more than what changed."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor

from features import spec
from features.errors import OutputError, StoreError, UnknownNameError
from features.frame import Frame, load_pixels
from features.framing import FRAMING, frame_faces
from features.profiles import PROFILES, feature_set
from features.spec import Params, Values
from features.store import FeatureStore
from features.variants import vary
from pipelines import extract as module
from pipelines.dataset import Sample, read_dataset
from pipelines.engine import map_jobs
from pipelines.extract import Summary, extract
from pipelines.score import NO_FACE
from tests.conftest import SampleFaces
from tests.images import corpus, jpeg, photo, png
from tests.portraits import beside, portrait

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
sys.path.insert(0, {root!r})
from pipelines.dataset import read_dataset
from pipelines.extract import extract
if __name__ == "__main__":
    extract(read_dataset([{data!r}]), {out!r}, workers=2)
"""
SMALL, BIG = "test.small", "test.big"
WHOLE, CROPPED = r"whole images \(--faces off\)", rf"faces cropped to {FRAMING} \(--faces auto\)"


class Counting:
    """A block of one value, the mean of luma times a factor, that counts how often it measures."""

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self.calls = 0

    def __call__(self, frame: Frame, params: Params) -> Values:
        self.calls += 1
        return np.array([frame.luma.mean() * self.factor], np.float32)


Blocks = dict[str, Counting]
SetVersion = Callable[[str, int], None]


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Blocks:
    """Two blocks that count, in the profiles `fast` (one of them) and `full` (both)."""
    made = {SMALL: Counting(1), BIG: Counting(2)}
    for name, compute in made.items():
        registered = spec.Block(name, 1, lambda params: ("value",), compute, {})
        monkeypatch.setitem(spec._REGISTRY, name, registered)
    monkeypatch.setitem(PROFILES, "fast", (SMALL,))
    monkeypatch.setitem(PROFILES, "full", (SMALL, BIG))
    return made


@pytest.fixture
def set_version(monkeypatch: pytest.MonkeyPatch, counting: Blocks) -> SetVersion:
    """A function that gives a block another version, whose values are `version` times as large."""

    def change(name: str, version: int) -> None:
        counting[name].factor = version * (1 if name == SMALL else 2)
        monkeypatch.setitem(spec._REGISTRY, name, replace(spec.blocks()[name], version=version))

    return change


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty real and twenty fake images; do not write to it."""
    return corpus(tmp_path_factory.mktemp("photos"), 20, size=64)


def samples_of(folder: Path) -> list[Sample]:
    return read_dataset([str(folder)])


def counts(summary: Summary) -> tuple[int, int, int, int]:
    return summary.total, summary.done, summary.cached, summary.failed


def calls(counting: Blocks) -> tuple[int, int]:
    """How often both blocks measured since the last call."""
    made = counting[SMALL].calls, counting[BIG].calls
    counting[SMALL].calls = counting[BIG].calls = 0
    return made


def values_of(store: Path) -> dict[str, dict[str, float]]:
    loaded = FeatureStore(store).load()
    rows = [dict(zip(loaded.names, row.tolist(), strict=True)) for row in loaded.values]
    return dict(zip(loaded.sha256, rows, strict=True))


def assert_same_store(one: Path, other: Path) -> None:
    a, b = FeatureStore(one), FeatureStore(other)
    assert a.feature_set == b.feature_set
    assert a.manifest().equals(b.manifest())
    assert (a.load().sha256, a.load().variant) == (b.load().sha256, b.load().variant)
    assert a.load().values.tobytes() == b.load().values.tobytes()
    assert sum(len(shard.keys) for shard in b.shards()) == len(b.load().sha256)


def test_vectors_are_those_of_the_feature_set(photos: Path, tmp_path: Path) -> None:
    samples = samples_of(photos)
    summary = extract(samples, str(tmp_path / "c"), workers=1)
    store = FeatureStore(tmp_path / "c")
    assert counts(summary) == (40, 40, 0, 0)
    assert summary.to_json()["digest"] == store.feature_set.digest == feature_set("fast").digest
    loaded, manifest = store.load(), store.manifest()
    for path, sha256 in zip(manifest["path"], manifest["sha256"], strict=True):
        row = loaded.values[loaded.sha256.index(sha256)]
        assert row.tobytes() == store.feature_set.compute(Frame.load(path)).tobytes()


def test_variants_are_measured_of_training_images_only(photos: Path, tmp_path: Path) -> None:
    samples = samples_of(photos)
    store = FeatureStore(tmp_path / "c")
    extract(samples, str(store.root), workers=1)
    summary = extract(samples, str(store.root), variants=["mirror"], workers=1)
    loaded, manifest = store.load(), store.manifest()
    mirrored = {key for key, variant in zip(loaded.sha256, loaded.variant, strict=True) if variant == "mirror"}
    assert counts(summary) == (40, 0, 40, 0)
    assert mirrored == set(manifest["sha256"][manifest["split"] == "train"])
    assert len(loaded.values) == 40 + len(mirrored)
    path, sha256 = next((p, s) for p, s in zip(manifest["path"], manifest["sha256"], strict=True) if s in mirrored)
    row = list(zip(loaded.sha256, loaded.variant, strict=True)).index((sha256, "mirror"))
    expected = store.feature_set.compute(vary(Frame.load(path), "mirror", sha256))
    assert loaded.values[row].tobytes() == expected.tobytes()


@pytest.fixture
def portraits(tmp_path: Path) -> Path:
    """A data set of four pictures: a face, two faces, a small one, none."""
    pictures = {
        "real/one": portrait(),
        "real/two": beside(portrait(), portrait(1.5)),
        "fake/small": portrait(0.35),
        "fake/none": photo(1),
    }
    for name, picture in pictures.items():
        path = tmp_path / "portraits" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(picture))
    return tmp_path / "portraits"


def test_the_largest_face_is_measured_and_none_is_an_error(portraits: Path, tmp_path: Path) -> None:
    samples = [replace(sample, split="train") for sample in samples_of(portraits)]
    summary = extract(samples, str(tmp_path / "c"), faces="auto", variants=["mirror"], workers=1)
    store = FeatureStore(tmp_path / "c")
    assert counts(summary) == (4, 3, 0, 1)
    assert store.faces == FRAMING
    errors = {Path(path).stem: error for path, error in store.manifest()[["path", "error"]].itertuples(index=False)}
    assert errors == {"one": "", "two": "", "small": "", "none": f"no_face: {NO_FACE}"}
    loaded = store.load()
    row_of = {key: row for row, key in enumerate(zip(loaded.sha256, loaded.variant, strict=True))}
    assert len(row_of) == 6
    for path, sha256 in store.manifest()[["path", "sha256"]].itertuples(index=False):
        for framed in frame_faces(load_pixels(path))[:1]:
            for variant in ("", "mirror"):
                expected = store.feature_set.compute(vary(framed.frame, variant, sha256))
                assert loaded.values[row_of[sha256, variant]].tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("first", "then", "message"),
    [
        ("off", "auto", f"{WHOLE}, not {CROPPED}; choose another folder"),
        ("auto", "off", f"{CROPPED}, not {WHOLE}; choose another folder"),
    ],
)
def test_faces_and_whole_images_never_share_a_store(
    counting: Blocks, portraits: Path, tmp_path: Path, first: str, then: str, message: str
) -> None:
    samples, out = samples_of(portraits), tmp_path / "c"
    done = extract(samples, str(out), faces=first, workers=1)
    before = values_of(out)
    calls(counting)
    with pytest.raises(StoreError, match=message):
        extract(samples, str(out), profile="full", faces=then, workers=1)
    assert calls(counting) == (0, 0)
    assert values_of(out) == before
    again = extract(samples, str(out), faces=first, workers=1)
    assert (again.done, again.cached) == (0, done.done)


def test_another_version_of_the_framing_is_another_kind(
    counting: Blocks, monkeypatch: pytest.MonkeyPatch, portraits: Path, tmp_path: Path
) -> None:
    out = str(tmp_path / "c")
    extract(samples_of(portraits), out, faces="auto", workers=1)
    monkeypatch.setitem(module._RECORDED, "auto", "framing/99")
    with pytest.raises(StoreError, match=rf"holds faces cropped to {FRAMING} .*, not faces cropped to framing/99"):
        extract(samples_of(portraits), out, faces="auto", workers=1)


def test_a_store_of_faces_that_gets_another_block_stays_one(counting: Blocks, portraits: Path, tmp_path: Path) -> None:
    out = tmp_path / "c"
    extract(samples_of(portraits), str(out), faces="auto", workers=1)
    calls(counting)
    extract(samples_of(portraits), str(out), profile="full", faces="auto", workers=1)
    assert calls(counting) == (0, 3)
    assert {shard.faces for shard in FeatureStore(out).shards()} == {FRAMING}


def test_an_unknown_way_to_find_faces_is_refused_at_once(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="no way to find faces 'outo'; did you mean 'auto'"):
        extract(samples_of(photos), str(tmp_path / "c"), faces="outo")
    assert not (tmp_path / "c").exists()


def test_an_unknown_variant_is_refused_at_once(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="no variant 'miror'; did you mean 'mirror'"):
        extract(samples_of(photos), str(tmp_path / "c"), variants=["miror"])
    assert not (tmp_path / "c").exists()


def test_the_manifest_lists_the_data_set(counting: Blocks, photos: Path, tmp_path: Path) -> None:
    samples = samples_of(photos)
    extract(samples, str(tmp_path / "c"), workers=1)
    manifest = FeatureStore(tmp_path / "c").manifest()
    columns = [manifest[name] for name in ("path", "label", "group", "kind", "source", "split")]
    assert [Sample(*row) for row in zip(*columns, strict=True)] == samples


def test_a_second_run_costs_only_the_check(counting: Blocks, photos: Path, tmp_path: Path) -> None:
    samples, out = samples_of(photos), str(tmp_path / "c")
    extract(samples, out, workers=1)
    assert calls(counting) == (40, 0)
    assert counts(extract(samples, out, workers=1)) == (40, 0, 40, 0)
    assert calls(counting) == (0, 0)


def test_two_workers_give_what_one_gives(photos: Path, tmp_path: Path) -> None:
    samples = samples_of(photos)
    extract(samples, str(tmp_path / "one"), workers=1)
    extract(samples, str(tmp_path / "two"), workers=2)
    assert_same_store(tmp_path / "one", tmp_path / "two")


def test_progress_counts_up_from_what_is_cached(counting: Blocks, photos: Path, tmp_path: Path) -> None:
    samples, seen = samples_of(photos), list[tuple[int, int]]()
    extract(samples[:10], str(tmp_path / "c"), workers=1)
    extract(samples, str(tmp_path / "c"), workers=1, progress=lambda done, total: seen.append((done, total)))
    assert (seen[0], seen[-1]) == ((10, 40), (40, 40))
    assert seen == sorted(seen)


def test_identical_images_are_measured_once_and_stay_visible(counting: Blocks, photos: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(photos, tmp_path / "photos"))
    shutil.copy(folder / "real/0000.jpg", folder / "fake/copy.jpg")
    assert counts(extract(samples_of(folder), str(tmp_path / "c"), workers=1)) == (41, 41, 0, 0)
    assert calls(counting) == (40, 0)
    manifest = FeatureStore(tmp_path / "c").manifest()
    assert (len(manifest), manifest["sha256"].nunique()) == (41, 40)


def test_corrected_labels_cost_nothing(counting: Blocks, photos: Path, tmp_path: Path) -> None:
    samples, out = samples_of(photos), str(tmp_path / "c")
    extract(samples, out, workers=1)
    calls(counting)
    corrected = [replace(sample, label=1 - sample.label, split="test") for sample in samples[5:]]
    assert counts(extract(corrected, out, workers=1)) == (35, 0, 35, 0)
    assert calls(counting) == (0, 0)
    manifest = FeatureStore(out).manifest()
    assert manifest["label"].tolist() == [sample.label for sample in corrected]
    assert set(manifest["split"]) == {"test"}


def test_new_images_are_added(counting: Blocks, photos: Path, tmp_path: Path) -> None:
    samples, out = samples_of(photos), tmp_path / "c"
    extract(samples[:30], str(out), workers=1)
    assert counts(extract(samples, str(out), workers=1)) == (40, 10, 30, 0)
    assert calls(counting) == (40, 0)
    extract(samples, str(tmp_path / "whole"), workers=1)
    assert_same_store(tmp_path / "whole", out)


def test_a_changed_block_is_all_that_is_measured(
    counting: Blocks, set_version: SetVersion, photos: Path, tmp_path: Path
) -> None:
    samples, out = samples_of(photos), tmp_path / "c"
    extract(samples, str(out), profile="full", workers=1)
    before = values_of(out)
    assert calls(counting) == (40, 40)
    set_version(BIG, 3)
    assert counts(extract(samples, str(out), profile="full", workers=1)) == (40, 40, 0, 0)
    assert calls(counting) == (0, 40)
    after = values_of(out)
    assert {key: row[f"{SMALL}.value"] for key, row in after.items()} == {
        key: row[f"{SMALL}.value"] for key, row in before.items()
    }
    assert all(after[key][f"{BIG}.value"] == pytest.approx(3 * before[key][f"{BIG}.value"]) for key in before)
    extract(samples, str(tmp_path / "fresh"), profile="full", workers=1)
    assert_same_store(tmp_path / "fresh", out)
    assert not list(out.rglob("*.stale"))


def test_a_wider_profile_measures_what_is_new_and_a_narrower_one_nothing(
    counting: Blocks, photos: Path, tmp_path: Path
) -> None:
    samples, out = samples_of(photos), str(tmp_path / "c")
    extract(samples, out, profile="fast", workers=1)
    assert calls(counting) == (40, 0)
    extract(samples, out, profile="full", workers=1)
    assert calls(counting) == (0, 40)
    narrow = extract(samples, out, profile="fast", workers=1)
    assert calls(counting) == (0, 0)
    assert (narrow.cached, narrow.profile) == (40, "full")
    assert len(FeatureStore(out).feature_set.blocks) == 2


def test_a_narrower_profile_does_not_lose_the_rest_when_its_block_changes(
    counting: Blocks, set_version: SetVersion, photos: Path, tmp_path: Path
) -> None:
    samples, out = samples_of(photos), str(tmp_path / "c")
    extract(samples, out, profile="full", workers=1)
    calls(counting)
    set_version(SMALL, 2)
    assert extract(samples, out, profile="fast", workers=1).profile == "full"
    assert calls(counting) == (40, 0)


def test_rows_that_a_changed_run_did_not_ask_for_are_kept_for_later(
    counting: Blocks, set_version: SetVersion, photos: Path, tmp_path: Path
) -> None:
    samples, out = samples_of(photos), tmp_path / "c"
    extract(samples, str(out), profile="full", workers=1)
    set_version(SMALL, 2)
    calls(counting)
    extract(samples[:10], str(out), profile="full", workers=1)
    assert len(FeatureStore(out).load().sha256) == 10
    extract(samples, str(out), profile="full", workers=1)
    assert calls(counting) == (40, 0)
    assert len(FeatureStore(out).load().sha256) == 40
    assert not list(out.rglob("*.stale"))


def test_failed_images_are_rows_and_are_tried_again(counting: Blocks, photos: Path, tmp_path: Path) -> None:
    folder, out = Path(shutil.copytree(photos, tmp_path / "photos")), str(tmp_path / "c")
    whole = (folder / "fake/0003.jpg").read_bytes()
    (folder / "fake/0003.jpg").write_bytes(whole[:-200])
    (folder / "fake/0004.jpg").write_bytes(b"")
    samples = samples_of(folder)
    (folder / "fake/0005.jpg").unlink()
    assert counts(extract(samples, out, workers=1)) == (40, 37, 0, 3)
    manifest = FeatureStore(out).manifest()
    codes = [error.partition(":")[0] for error in manifest["error"]]
    failed = {Path(path).name: code for path, code in zip(manifest["path"], codes, strict=True) if code}
    assert failed == {"0003.jpg": "corrupt_image", "0004.jpg": "empty_file", "0005.jpg": "unreadable_file"}
    assert counts(extract(samples, out, workers=1)) == (40, 0, 37, 3)
    (folder / "fake/0003.jpg").write_bytes(whole)
    assert counts(extract(samples, out, workers=1)) == (40, 1, 37, 2)
    assert sum(map(bool, FeatureStore(out).manifest()["error"])) == 2


def test_where_every_image_failed_there_is_still_a_summary(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a.jpg").write_bytes(b"no image")
    summary = extract(samples_of(tmp_path), str(tmp_path / "c"), workers=1)
    assert counts(summary) == (1, 0, 0, 1)
    with pytest.raises(StoreError, match="no features"):
        FeatureStore(tmp_path / "c").load()


def test_a_fault_of_a_block_names_the_image(
    counting: Blocks, monkeypatch: pytest.MonkeyPatch, photos: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(Counting, "__call__", lambda self, frame, params: np.array([np.nan], np.float32))
    samples = samples_of(photos)
    with pytest.raises(ValueError, match="not finite") as caught:
        extract(samples, str(tmp_path / "c"), workers=1)
    assert caught.value.__notes__ == [f"while measuring {samples[0].path}"]


def test_an_image_that_changes_on_the_way_is_not_kept_under_its_old_key(
    counting: Blocks, monkeypatch: pytest.MonkeyPatch, photos: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(photos, tmp_path / "photos"))
    first = FeatureStore.write_manifest

    def change(store: FeatureStore, columns: dict[str, Sequence[object]]) -> None:
        first(store, columns)
        (folder / "real/0000.jpg").write_bytes(jpeg(photo(999, 64)))

    monkeypatch.setattr(FeatureStore, "write_manifest", change)
    assert counts(extract(samples_of(folder), str(tmp_path / "c"), workers=1)) == (40, 39, 0, 1)
    monkeypatch.undo()


def test_a_full_disk_is_an_error_and_loses_nothing(
    counting: Blocks, monkeypatch: pytest.MonkeyPatch, photos: Path, tmp_path: Path
) -> None:
    samples, out, sync, written = samples_of(photos), tmp_path / "c", os.fsync, list[int]()

    def fill(descriptor: int) -> None:
        written.append(descriptor)
        if len(written) > 2:  # the manifest and one shard of 32
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fill)
    with pytest.raises(OutputError, match="no space left"):
        extract(samples, str(out), workers=1)
    monkeypatch.setattr(os, "fsync", sync)
    assert counts(extract(samples, str(out), workers=1)) == (40, 8, 32, 0)
    assert calls(counting) == (48, 0)
    extract(samples, str(tmp_path / "whole"), workers=1)
    assert_same_store(tmp_path / "whole", out)


def test_a_kill_between_new_and_old_shard_leaves_no_key_twice(
    counting: Blocks,
    set_version: SetVersion,
    monkeypatch: pytest.MonkeyPatch,
    photos: Path,
    tmp_path: Path,
) -> None:
    samples, out = samples_of(photos), tmp_path / "c"
    extract(samples, str(out), profile="full", workers=1)
    set_version(BIG, 3)

    def stop(store: FeatureStore, digest: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(FeatureStore, "tidy", stop)
        with pytest.raises(KeyboardInterrupt):
            extract(samples, str(out), profile="full", workers=1)
    assert len({shard.digest for shard in FeatureStore(out).shards()}) == 2
    calls(counting)
    assert counts(extract(samples, str(out), profile="full", workers=1)) == (40, 0, 40, 0)
    assert calls(counting) == (0, 0)
    extract(samples, str(tmp_path / "fresh"), profile="full", workers=1)
    assert_same_store(tmp_path / "fresh", out)


def start(data: Path, out: Path) -> "subprocess.Popen[bytes]":
    code = SCRIPT.format(root=str(ROOT), data=str(data), out=str(out))
    return subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stderr=subprocess.DEVNULL)


def wait_for_shards(running: "subprocess.Popen[bytes]", out: Path, count: int) -> None:
    end = time.monotonic() + 60
    while len(list(out.glob("shards/*.parquet"))) < count and running.poll() is None and time.monotonic() < end:
        time.sleep(0.005)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Images for eight shards, and their store made without a stop; do not write to either."""
    root = tmp_path_factory.mktemp("many")
    data = corpus(root / "data", 120, size=64)
    extract(samples_of(data), str(root / "whole"), workers=2)
    return data, root / "whole"


@pytest.mark.parametrize("kill", [os.kill, os.killpg])
def test_a_killed_run_goes_on_to_the_same_store(
    kill: Callable[[int, int], None], many: tuple[Path, Path], tmp_path: Path
) -> None:
    (data, whole), out = many, tmp_path / "killed"
    for more in (1, 2):
        with start(data, out) as running:
            wait_for_shards(running, out, len(list(out.glob("shards/*.parquet"))) + more)
            kill(running.pid, signal.SIGKILL)
    summary = extract(samples_of(data), str(out), workers=2)
    assert (summary.total, summary.failed) == (240, 0)
    assert_same_store(whole, out)
    assert not list(out.rglob("*.tmp"))


def peak(job: tuple[str, str]) -> int:
    """Extract in this process; returns the most memory that it held so far, in bytes."""
    extract(read_dataset([job[0]]), job[1], workers=1)
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_memory_stays_far_under_the_limit(photos: Path, tmp_path: Path) -> None:
    get_reusable_executor().shutdown(wait=True)  # its processes hold what other tests loaded
    jobs = [(str(photos), str(tmp_path / name)) for name in ("a", "b")]
    assert max(map_jobs(peak, jobs, workers=2)) < 350e6


@pytest.mark.realdata
def test_real_images_from_an_archive(deepfake_faces: Path, tmp_path: Path) -> None:
    samples = read_dataset([str(deepfake_faces)])[::600]
    summary = extract(samples, str(tmp_path / "c"), workers=2)
    assert counts(summary) == (len(samples), len(samples), 0, 0)
    assert FeatureStore(tmp_path / "c").load().values.shape == (len(samples), len(feature_set("fast").names))


@pytest.mark.realdata
def test_real_faces_by_one_worker_and_by_two(sample_faces: SampleFaces, tmp_path: Path) -> None:
    samples = samples_of(sample_faces(20))
    for workers in (1, 2):
        summary = extract(samples, str(tmp_path / str(workers)), faces="auto", workers=workers)
        assert (summary.total, summary.done + summary.failed) == (40, 40)
        assert summary.done >= 38
    assert_same_store(tmp_path / "1", tmp_path / "2")
    whole = tmp_path / "whole"
    extract(samples, str(whole), workers=1)
    found, plain = values_of(tmp_path / "1"), values_of(whole)
    assert sum(found[sha256] == plain[sha256] for sha256 in found) >= 0.95 * len(found)
