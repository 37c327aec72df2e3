"""What a training is to go on from can be gone on from."""

from pathlib import Path

import pytest

from features.architecture import PLAIN
from models.weights import Weights

FOLDER = Path(__file__).parents[1] / "checkpoints"
MOST_BYTES = 10_000_000  # of one, and there is at most one


def test_the_checkpoint_is_one_and_small() -> None:
    kept = [path for path in FOLDER.iterdir() if path.is_dir()]
    assert len(kept) <= 1
    assert all(sum(file.stat().st_size for file in path.iterdir()) < MOST_BYTES for path in kept)


@pytest.mark.parametrize("path", [path for path in FOLDER.iterdir() if path.is_dir()], ids=lambda path: path.name)
def test_it_is_a_network_that_a_training_takes(path: Path) -> None:
    pytest.importorskip("torch")
    from models.checkpoint import find_network, read_network

    network = read_network(find_network(path))
    heads = Weights.read(path).record.get("heads", PLAIN)
    assert tuple(heads) == network.heads
