"""Train the network on data sets, into a folder.

network.safetensors      the weights, once training is through
network.json             what they are, what they learnt from, how well they do on validation groups
log.ndjson               one line an evaluation
checkpoint.safetensors   while training is under way: where it goes on when it is started again
"""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.device import NEURAL, choose_device, keep_memory, require, wait_asleep
from models.bundle import resolve
from pipelines.batches import read_rows
from pipelines.dataset import Sample
from pipelines.engine import cores
from pipelines.kinds import leave_out

if TYPE_CHECKING:
    from models.cnn import Settings

__all__ = ["train_network"]


def train_network(
    samples: Sequence[Sample],
    out: str | os.PathLike[str],
    *,
    init: str | None = None,
    without: Sequence[str] = (),
    device: str = "auto",
    minutes: float = 60.0,
    steps: int | None = None,
    settings: "Settings | None" = None,
    seed: int = 0,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Fine-tune the network on the training groups that are not held back, and keep what validation groups prefer.

    Where the data hold what `forge` made, the network has a head for that beside the one for other fakes, and where
    there are masks it learns to say where a face was forged.

    Started again with the same arguments after it was interrupted, it goes on from its last checkpoint and comes, on a
    CPU with as many threads, to the same weights, bit for bit.

    Parameters
    ----------
    samples : sequence of Sample
        Of which the validation groups choose the weights; the calibration and test groups are not looked at.
    out : path
        The folder of the network.
    init : str
        The weights to go on from: the file or folder of an earlier training, a bundle that has a network, or the name
        of one that ships; ImageNet's where None.
    without : sequence of str
        Kinds of fakes to leave out: `found` for those that data sets hold, `forged` for all forgeries, or one family,
        such as `forged.swap`.
    device : str
        `auto`, `cpu` or `cuda`.
    minutes : float
        About how long it may take: steps are timed at the start and their number fitted.
    steps : int
        Their number instead.
    settings : Settings
        Its defaults where None.
    seed : int
        Of batches, augmentation and dropout.
    threads : int
        One a core where None.
    progress : callable
        Called after each step with how many images it has seen and how many it will.
    say : callable
        Takes what else the user should know.

    Returns
    -------
    dict
        The record of the network, as it stands in `network.json`.

    Raises
    ------
    MissingExtraError
        No torch, no safetensors, or no ImageNet weights are installed.
    DeviceError
        `cuda` without a GPU.
    UnknownNameError
        There is no detector `init`; the data have no fakes of a kind to leave out.
    DatasetError, BundleError, OutputError
        The data lack a class; `init` is no network; the folder cannot be written, or holds another training.
    """
    require("neural", NEURAL)
    wait_asleep()
    keep_memory()
    from models.checkpoint import find_network
    from models.cnn import Settings
    from pipelines.network_run import Task

    ends = time.monotonic() + 60 * minutes
    tell = say or (lambda message: None)
    computing, workers = choose_device(device, tell), threads or cores()
    weights = find_network(init if Path(init).exists() else resolve(init)) if init else None
    rows = read_rows(leave_out(samples, without), workers=workers)
    task = Task(Path(out), rows, settings or Settings(), seed, weights, computing, workers, tuple(without))
    if (record := task.finished()) is not None:
        tell(f"{out}: this training is finished; to go on from it, give --init {out} and another folder")
        return record
    training = task.resume() or task.begin(steps, ends)
    done, total = training.trainer.done, training.trainer.plan.steps
    tell(f"{total:,} steps" + (f", going on after {done:,}" if done else ""))
    training.run(progress or (lambda done, total: None))
    return training.finish()
