"""Fixtures that several tests share: the real images beside the project, and folders unpacked from them."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from features.device import wait_asleep
from models.booster import BoosterParams
from pipelines.dataset import read_dataset
from pipelines.extract import extract
from pipelines.train import train
from tests.browser import browser as browser
from tests.browser import chrome as chrome
from tests.images import corpus

wait_asleep()  # or torch's threads spin for seconds where another process is busy

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

SampleFaces = Callable[[int], Path]


@pytest.fixture(scope="session")
def deepfake_faces() -> Path:
    """The archive of real images; a test that needs it is skipped where it is missing, and fails in CI."""
    archive = SHARED_DATA / "deepfake-faces.zip"
    if not archive.is_file():
        missing = f"no real images: {archive} is missing"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return archive


@pytest.fixture(scope="session")
def sample_faces(deepfake_faces: Path, tmp_path_factory: pytest.TempPathFactory) -> SampleFaces:
    """A function: n to a folder with the first n real and n fake images under real/ and fake/ (do not write to it)."""
    made: dict[int, Path] = {}

    def unpack(n: int) -> Path:
        if n not in made:
            made[n] = tmp_path_factory.mktemp(f"faces{n}")
            _unpack(deepfake_faces, made[n], n)
        return made[n]

    return unpack


def _unpack(archive: Path, root: Path, n: int) -> None:
    with zipfile.ZipFile(archive) as opened:
        table = opened.read("metadata.csv").decode().splitlines()
        columns = table[0].split(",")
        rows = sorted(dict(zip(columns, line.split(","), strict=True))["videoname"] + "," + line for line in table[1:])
        for label in ("REAL", "FAKE"):
            folder = root / label.lower()
            folder.mkdir()
            chosen = [row.split(",")[0] for row in rows if f",{label}," in row][:n]
            for name in (Path(video).stem + ".jpg" for video in chosen):
                (folder / name).write_bytes(opened.read(f"faces_224/{name}"))


@pytest.fixture(scope="session")
def small_detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of profile `fast`, trained in a moment on the synthetic corpus."""
    root = tmp_path_factory.mktemp("detector")
    samples = read_dataset([str(corpus(root / "corpus", 60, size=64))])
    extract(samples, str(root / "cache"), workers=1)
    params = BoosterParams(num_leaves=7, min_child_samples=5, max_trees=30)
    train(root / "cache", root / "bundle", params=params, threads=1, resamples=20)
    return root / "bundle"
