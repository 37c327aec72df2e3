"""A training of the network as it runs: begun or resumed, stepped, evaluated, saved, and written when it is through."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import version
from itertools import islice, tee
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from features.architecture import PREPROCESSING
from features.decode import Pixels
from features.device import Device
from features.errors import OutputError
from features.imagenet import transfer
from features.network import Network
from models.checkpoint import (
    BEST,
    CHECKPOINT,
    NETWORK,
    read_network,
    read_tensors,
    write_network,
    write_tensors,
)
from models.cnn import Plan, Settings, Targets, Trainer, fit_plan, rate_at, scores
from models.files import replace_file
from models.weights import FORMAT, RECORD
from pipelines.batches import Loaded, Picture, Rows, load_batches
from pipelines.dataset import Sample
from pipelines.draws import draw_batches
from pipelines.kinds import lesson_of
from pipelines.network_quality import Quality, Scored, quality_of

__all__ = ["LOG", "Task", "Training"]

LOG: Final = "log.ndjson"
"""The log of a training."""

_LIBRARIES: Final = ("numpy", "opencv-python-headless", "safetensors", "simplejpeg", "torch")
_MOST: Final = {"train": 300, "validation": 800}  # images of each head that an evaluation scores, and reals
_SCORED_AT_ONCE: Final = 32
_SAVED_EVERY: Final = 180.0  # seconds


@dataclass(frozen=True, eq=False)
class Task:
    """One training: what goes into it, and where its result goes.

    Attributes
    ----------
    folder : Path
        Of the result.
    rows : Rows
        The images.
    settings : Settings
        What governs it.
    seed : int
        Of batches, augmentation and dropout.
    weights : Path
        The file to begin with; None for ImageNet's weights.
    device : Device
        Where it is computed.
    threads : int
        That compute and load images.
    without : tuple of str
        The kinds of fakes that were left out of the images.
    """

    folder: Path
    rows: Rows
    settings: Settings
    seed: int
    weights: Path | None
    device: Device
    threads: int
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Let torch use as many threads as the task has."""
        torch.set_num_threads(self.threads)

    @cached_property
    def origin(self) -> str:
        """The sha256 of the file to begin with, or `imagenet`."""
        return hashlib.sha256(self.weights.read_bytes()).hexdigest() if self.weights else "imagenet"

    @property
    def governing(self) -> dict[str, Any]:
        """The settings that matter to its data, as JSON values."""
        settings = asdict(self.settings)
        return {key: value for key, value in settings.items() if key != "map_weight" or self.rows.located}

    @cached_property
    def identity(self) -> str:
        """Sha256 over everything that decides the result, except the number of steps and the machine."""
        parts = [FORMAT, self.governing, self.seed, self.rows.digest, self.origin]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def finished(self) -> dict[str, Any] | None:
        """Read the record of this training where it is finished; raises OutputError where it is of another one."""
        path = self.folder / RECORD
        if not path.is_file():
            return None
        record = dict(json.loads(path.read_text()))
        self._require_same(path, record["training"]["identity"])
        return record

    def begin(self, steps: int | None, ends: float) -> "Training":
        """Begin with `steps` steps, or as many as fit until the monotonic clock says `ends`."""
        network = read_network(self.weights) if self.weights else transfer(self.settings.architecture)
        network.renew(self.rows.heads, located=self.rows.located)
        plan = Plan.of(steps, network, self.settings) if steps else self._fit_plan(network, ends)
        return Training(self, self._trainer(network, plan))

    def resume(self) -> "Training | None":
        """Go back to the checkpoint, where there is one; raises OutputError where it is of another training."""
        path = self.folder / CHECKPOINT
        if not path.is_file():
            return None
        tensors, state = read_tensors(path)
        self._require_same(path, state["identity"])
        trainer = self._trainer(Network.of(state), Plan(**state["plan"]))
        trainer.restore(tensors, state["done"])
        best = {name.removeprefix(BEST): tensor for name, tensor in tensors.items() if name.startswith(BEST)}
        return Training(self, trainer, best, state["history"], state["losses"])

    def batches(self, done: int, steps: int) -> Iterator[tuple[Pixels, Targets]]:
        """Load the batches of the steps from `done` to `steps`, each image augmented by seed, step and row."""
        train = self.rows.parts["train"]
        drawn, ahead = tee(islice(draw_batches(train, self.settings.batch, self.seed), done, steps))
        pictures = (
            [Picture(train[row].path, (self.seed, at, row), train[row].mask) for row in batch]
            for at, batch in enumerate(ahead, done)
        )
        for loaded, batch in zip(load_batches(pictures, threads=self.threads), drawn, strict=True):
            yield loaded.pixels, self._targets([train[row] for row in batch], loaded)

    def _targets(self, samples: Sequence[Sample], loaded: Loaded) -> Targets:
        """Say what a batch teaches whom."""
        heads, labels = self.rows.heads, np.array([sample.label for sample in samples])
        taught = [[head in lesson_of(sample, self.rows.lessons) for head in heads] for sample in samples]
        cells = np.where((labels == 0)[:, None, None], np.float32(0), loaded.cells)
        return Targets(labels, np.array(taught) if len(heads) > 1 else None, cells if self.rows.located else None)

    def quality(self, network: Network, part: str, most: int | None = None) -> Quality:
        """Judge a network by fakes of each head and reals of one part, at most `most` of each, as they are."""
        chosen = self.rows.sample(part, most)
        pieces = (chosen[at : at + _SCORED_AT_ONCE] for at in range(0, len(chosen), _SCORED_AT_ONCE))
        pictures = ([Picture(sample.path, None, sample.mask) for sample in piece] for piece in pieces)
        cells = []

        def pixels() -> Iterator[Pixels]:
            for loaded in load_batches(pictures, threads=self.threads):
                cells.append(loaded.cells)
                yield loaded.pixels

        logits, maps = scores(network, pixels(), self.device)
        taught = [lesson_of(sample, self.rows.lessons) for sample in chosen]
        return quality_of(network.heads, Scored(chosen, taught, logits.astype(np.float64), maps, np.concatenate(cells)))

    def _trainer(self, network: Network, plan: Plan) -> Trainer:
        return Trainer(network, self.settings, plan, seed=self.seed, device=self.device)

    def _fit_plan(self, network: Network, ends: float) -> Plan:
        batch = next(self.batches(0, 1))
        scored = sum(len(self.rows.sample(part, most)) for part, most in _MOST.items())
        left = ends - time.monotonic()
        return fit_plan(network, self.settings, self.device, batch, seconds=left, evaluated=scored)

    def _require_same(self, path: Path, identity: str) -> None:
        if identity != self.identity:
            raise OutputError(f"{path}: of a training with other data, settings, seed or start; choose another folder")


@dataclass(eq=False)
class Training:
    """A training under way.

    Attributes
    ----------
    task : Task
        What it does.
    trainer : Trainer
        The network and how far it is.
    best : mapping
        The weights that did best on validation so far.
    history : list
        What was measured at each evaluation.
    losses : list
        The loss of each step since.
    """

    task: Task
    trainer: Trainer
    best: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def run(self, progress: Callable[[int, int], None]) -> None:
        """Take what steps are left, fewer where validation stands still; `progress` takes images seen and in all."""
        steps, evaluations = self.trainer.plan.steps, self.task.settings.evaluations
        marks = {math.ceil(steps * (i + 1) / evaluations) for i in range(evaluations)}
        saved = time.monotonic()
        for pixels, targets in self.task.batches(self.trainer.done, steps):
            if self._stalled():
                break
            self.losses.append(self.trainer.step(pixels, targets))
            progress(self.trainer.done * len(pixels), steps * len(pixels))
            if self.trainer.done in marks:
                self._evaluate()
            if self.trainer.done in marks or time.monotonic() - saved > _SAVED_EVERY:
                self._save()
                saved = time.monotonic()

    def finish(self) -> dict[str, Any]:
        """Write the best weights and their record, and remove the checkpoint; returns the record."""
        folder = self.task.folder
        network = Network.of(self.trainer.network.form).eval()
        network.load_state_dict(self.best)
        write_network(folder / NETWORK, network)
        record = self._record()
        replace_file(folder / RECORD, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
        (folder / CHECKPOINT).unlink(missing_ok=True)
        return record

    def _stalled(self) -> bool:
        since = len(self.history) - self.history.index(self._peak()) - 1 if self.history else 0
        return since >= self.task.settings.patience

    def _peak(self) -> dict[str, Any]:
        return max(self.history, key=lambda entry: float(entry["validation_auc"]))

    def _evaluate(self) -> None:
        """Measure the averaged weights, in evaluation mode on both parts, and keep them where validation gains."""
        trainer = self.trainer
        found = {part: self.task.quality(trainer.average, part, most) for part, most in _MOST.items()}
        entry = {
            "step": trainer.done,
            "rate": rate_at(trainer.done - 1, trainer.plan, trainer.settings),
            "loss": float(np.mean(self.losses)),
            **{f"{part}_auc": quality.auc for part, quality in found.items()},
            **{part: quality.to_json() for part, quality in found.items() if not quality.plain},
        }
        self.history.append(entry)
        self.losses.clear()
        if self._peak() is entry:
            self.best = {name: tensor.clone() for name, tensor in trainer.average.state_dict().items()}
        replace_file(self.task.folder / LOG, "".join(json.dumps(line) + "\n" for line in self.history).encode())

    def _save(self) -> None:
        trainer = self.trainer
        state = {
            "identity": self.task.identity,
            **trainer.network.form,
            "preprocessing": PREPROCESSING.to_json(),
            "plan": asdict(trainer.plan),
            "done": trainer.done,
            "history": self.history,
            "losses": self.losses,
        }
        best = {f"{BEST}{name}": tensor for name, tensor in self.best.items()}
        write_tensors(self.task.folder / CHECKPOINT, {**trainer.state(), **best}, state)

    def _record(self) -> dict[str, Any]:
        """Describe the network on disk, with nothing that tells time or place."""
        task, path = self.task, self.task.folder / NETWORK
        quality = task.quality(read_network(path).to(task.device.name), "validation")
        return {
            "format": FORMAT,
            **self.trainer.network.form,
            "preprocessing": PREPROCESSING.to_json(),
            "files": {NETWORK: hashlib.sha256(path.read_bytes()).hexdigest()},
            "training": {
                "identity": task.identity,
                "begun_with": task.origin,
                **task.rows.to_json(),
                **({"without": list(task.without)} if task.without else {}),
                "settings": task.governing,
                "seed": task.seed,
                "steps": asdict(self.trainer.plan),
                "stopped_after": self.trainer.done,
                "best_step": self._peak()["step"],
                "device": task.device.name,
                "threads": task.threads,
            },
            "validation": quality.to_json(),
            "history": self.history,
            "libraries": {library: version(library) for library in _LIBRARIES},
        }
