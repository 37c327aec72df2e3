"""What the tests of models share: the toy block, and one toy detector."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.train import train
from tests import toy


@pytest.fixture(scope="module", autouse=True)
def _toy_block() -> Iterator[None]:
    with toy.registered():
        yield


@pytest.fixture(scope="module")
def bundle_folder(_toy_block: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained toy detector; copy it before writing to it."""
    root = tmp_path_factory.mktemp("toy")
    train(toy.fill(root / "cache", toy.table()), root / "bundle", params=toy.QUICK, resamples=5, threads=1)
    return root / "bundle"
