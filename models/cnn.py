"""Trains the network: the head first, then all of it, early layers more slowly.

Every step follows from the seed and its number alone, so that a training that was interrupted comes to the same
weights. What is evaluated and kept is a moving average of the weights (Polyak and Juditsky 1992, DOI 10.1137/0330046).
"""

import copy
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from features.architecture import MAPS
from features.decode import Pixels
from features.device import Device
from features.errors import FauxfaceError
from features.network import Network, normalise

__all__ = ["Plan", "Scores", "Settings", "Targets", "Trainer", "fit_plan", "rate_at", "scores"]

Labels = npt.NDArray[np.integer[Any]]

_LEAST_STEPS: Final = 10
_WARMING, _TIMED = 2, 3  # steps before and in a measurement
_BETAS: Final = (0.9, 0.999)


@dataclass(frozen=True, slots=True)
class Settings:
    """What governs a training.

    Attributes
    ----------
    architecture : str
        Where the training begins at ImageNet's weights.
    batch : int
        Images in a step, half of them real.
    rate, head_rate : float
        Highest rate of the last layers once everything is trained, and that of the head alone before.
    early : float
        Factor of the rate from each stage to the one before it.
    head_share, warmup : float
        Share of the steps for the head alone; share of the others in which the rate rises, before it falls as a cosine.
    weight_decay : float
        AdamW's (Loshchilov and Hutter 2019, arXiv:1711.05101), of kernels only.
    smoothing : float
        Width by which labels are drawn together: 0 and 1 become smoothing / 2 and 1 - smoothing / 2.
    average : float
        Share of the moving average that a step leaves in place, once enough steps were taken.
    evaluations, patience : int
        How often it is evaluated, and after how many evaluations without gain it stops.
    map_weight : float
        Of the loss of the map, beside that of the heads; heeded where the network is located.
    """

    architecture: str = "lite0"
    batch: int = 32
    rate: float = 3e-4
    head_rate: float = 1e-3
    early: float = 0.7
    head_share: float = 0.05
    warmup: float = 0.08
    weight_decay: float = 0.02
    smoothing: float = 0.05
    average: float = 0.998
    evaluations: int = 10
    patience: int = 5
    map_weight: float = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What a batch teaches.

    Attributes
    ----------
    labels : (n,) integers
        0 real, 1 fake.
    heads : (n, k) bool array, optional
        Which heads an image is a lesson to, one at least; all where None.
    cells : (n, 7, 7) float32 array, optional
        The share of each cell that was forged; NaN throughout an image of which that is not known.
    """

    labels: Labels
    heads: npt.NDArray[np.bool_] | None = None
    cells: npt.NDArray[np.float32] | None = None

    def loss(self, logits: Tensor, smoothing: float) -> Tensor:
        """Average the cross-entropy of (n, k) logits over the heads of each image, then over the images."""
        device = logits.device
        wanted = torch.from_numpy(self.labels).float() * (1 - smoothing) + smoothing / 2
        weight = None
        if self.heads is not None:
            of_image = torch.from_numpy(self.heads).float()
            weight = (of_image * self.heads.shape[1] / of_image.sum(dim=1, keepdim=True)).to(device)
        wanted = wanted[:, None].expand(logits.shape).to(device)
        return functional.binary_cross_entropy_with_logits(logits, wanted, weight)

    def map_loss(self, located: Tensor) -> Tensor:
        """Average the cross-entropy of (n, 7, 7) log odds over the images of which the cells are known."""
        cells = torch.from_numpy(self.cells).to(located.device)
        known = ~cells.flatten(1).isnan().any(dim=1)
        wanted = cells.nan_to_num()
        found = functional.binary_cross_entropy_with_logits(located, wanted, reduction="none").mean(dim=(1, 2))
        return (found * known).sum() / known.sum().clamp(min=1)


class Scores(NamedTuple):
    """What a network gives: (n, k) float32 logits and, where it is located, (n, 7, 7) float32 log odds."""

    logits: npt.NDArray[np.float32]
    maps: npt.NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class Plan:
    """How many steps there are, and how many of them train the head alone."""

    steps: int
    head_steps: int

    @classmethod
    def of(cls, steps: int, network: Network, settings: Settings) -> "Plan":
        """Divide `steps`; a head that is no longer at zero was trained before and needs none of its own."""
        fresh = not bool(network.classifier.weight.count_nonzero())
        return cls(steps, round(steps * settings.head_share) if fresh else 0)


class Trainer:
    """A network in training: weights, their moving average, and AdamW's moments."""

    def __init__(self, network: Network, settings: Settings, plan: Plan, *, seed: int, device: Device) -> None:
        """Begin at the weights of `network`, which is trained in place on `device`."""
        self.network = network.to(device.name).train()
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.settings, self.plan, self.seed, self.device = settings, plan, seed, device
        self.done = 0
        groups = [_group(name, weight, settings) for name, weight in self.network.named_parameters()]
        self._optimizer = torch.optim.AdamW(groups, betas=_BETAS)

    def step(self, pixels: Pixels, targets: Targets) -> float:
        """Learn from one batch, (n, 224, 224, 3) uint8 BGR; returns its loss.

        Raises
        ------
        FauxfaceError
            The loss is no longer finite.
        """
        rate = rate_at(self.done, self.plan, self.settings)
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["share"]
        torch.manual_seed(int(np.random.SeedSequence([self.seed, self.done]).generate_state(1)[0]))  # of the dropout
        loss = self._loss(pixels, targets)
        if not math.isfinite(value := float(loss.detach())):
            raise FauxfaceError(f"training diverged in step {self.done + 1}: the loss is {value}; lower the rate")
        self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        self._optimizer.step()
        self.done += 1
        self._follow()
        return value

    def _loss(self, pixels: Pixels, targets: Targets) -> Tensor:
        device = self.device.name
        with torch.autocast(device, torch.bfloat16, enabled=self.device.half):
            with torch.set_grad_enabled(self.done >= self.plan.head_steps):
                head = self.network.maps(normalise(torch.from_numpy(pixels).to(device)))[-1]
            logits, located = self.network.classify(head), self.network.locate(head)
        loss = targets.loss(logits.float(), self.settings.smoothing)
        if located is None or targets.cells is None:
            return loss
        return loss + self.settings.map_weight * targets.map_loss(located.float())

    @torch.no_grad()
    def _follow(self) -> None:
        """Draw the average towards the weights, faster in the first steps."""
        kept = min(self.settings.average, self.done / (self.done + 9))
        for average, weight in zip(self.average.parameters(), self.network.parameters(), strict=True):
            average.lerp_(weight, 1 - kept)

    def state(self) -> dict[str, Tensor]:
        """Name every tensor that the next step depends on."""
        tensors = {f"weights.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.average.state_dict().items()}
        for name, weight in self.network.named_parameters():
            for kind, tensor in self._optimizer.state[weight].items():
                tensors[f"{kind}.{name}"] = tensor
        return tensors

    def restore(self, tensors: Mapping[str, Tensor], done: int) -> None:
        """Go back to what `state` named after `done` steps."""
        self.network.load_state_dict(_beginning(tensors, "weights."))
        self.average.load_state_dict(_beginning(tensors, "average."))
        for name, weight in self.network.named_parameters():
            kinds = ("step", "exp_avg", "exp_avg_sq")  # torch's names in AdamW's state
            own = {kind: tensors[f"{kind}.{name}"] for kind in kinds if f"{kind}.{name}" in tensors}
            if own:
                self._optimizer.state[weight] = {
                    kind: tensor.clone() if kind == "step" else tensor.to(weight.device) for kind, tensor in own.items()
                }
        self.done = done


def _group(name: str, weight: Tensor, settings: Settings) -> dict[str, Any]:
    """Say how AdamW treats one parameter."""
    part, number, *_ = name.split(".")
    depth = int(number) + 1 if part == "stages" else 0 if part == "stem" else len(MAPS)
    decay = settings.weight_decay if weight.ndim > 1 else 0.0
    return {"params": [weight], "share": settings.early ** (len(MAPS) - depth), "weight_decay": decay}


def _beginning(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def rate_at(step: int, plan: Plan, settings: Settings) -> float:
    """Rate of the last layers in step number `step`, counted from 0."""
    if step < plan.head_steps:
        return settings.head_rate
    at = (step - plan.head_steps + 0.5) / (plan.steps - plan.head_steps)
    if at < settings.warmup:
        return settings.rate * at / settings.warmup
    return settings.rate * (1 + math.cos(math.pi * (at - settings.warmup) / (1 - settings.warmup))) / 2


@torch.inference_mode()
def scores(network: Network, batches: Iterable[Pixels], device: Device) -> Scores:
    """Compute the logits and the map, higher for fake, of batches of (n, 224, 224, 3) uint8 BGR pixels, in float32."""
    logits, maps = [], []
    for pixels in batches:
        head = network.maps(normalise(torch.from_numpy(pixels).to(device.name)))[-1]
        logits.append(network.classify(head).cpu())
        if (located := network.locate(head)) is not None:
            maps.append(located.cpu())
    return Scores(torch.cat(logits).numpy(), torch.cat(maps).numpy() if maps else None)


def fit_plan(
    network: Network,
    settings: Settings,
    device: Device,
    batch: tuple[Pixels, Targets],
    *,
    seconds: float,
    evaluated: int,
) -> Plan:
    """Fit the number of steps to a time by measuring some, on a copy of the network.

    Parameters
    ----------
    network, settings, device
        Of the training to come.
    batch : pixels and targets
        One batch of it.
    seconds : float
        The time that there is.
    evaluated : int
        Images that each evaluation scores.
    """
    divided = Plan.of(1000, network, settings)
    head = _seconds(network, settings, device, batch, Plan(1000, 1000)) if divided.head_steps else 0.0
    full = _seconds(network, settings, device, batch, Plan(1000, 0))
    started = time.perf_counter()
    scores(copy.deepcopy(network).to(device.name).eval(), [batch[0]], device)
    scoring = (time.perf_counter() - started) * settings.evaluations * evaluated / len(batch[0])
    share = divided.head_steps / divided.steps
    steps = (seconds - scoring) / (share * head + (1 - share) * full)
    return Plan.of(max(_LEAST_STEPS, int(steps)), network, settings)


def _seconds(network: Network, settings: Settings, device: Device, batch: tuple[Pixels, Targets], plan: Plan) -> float:
    """Measure a step; its loss comes back to the CPU, so nothing is still under way when it ends."""
    trainer = Trainer(copy.deepcopy(network), settings, plan, seed=0, device=device)
    for _ in range(_WARMING):
        trainer.step(*batch)
    started = time.perf_counter()
    for _ in range(_TIMED):
        trainer.step(*batch)
    return (time.perf_counter() - started) / _TIMED
