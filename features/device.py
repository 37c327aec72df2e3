"""Where torch computes, and how its memory is kept; nothing here imports torch before it has to."""

import ctypes
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from features.errors import DeviceError, MissingExtraError, UnknownNameError

__all__ = ["DEVICES", "NEURAL", "Device", "choose_device", "cuda_available", "keep_memory", "require", "wait_asleep"]

NEURAL: Final = ("torch", "safetensors")
"""What the extra `neural` brings, by module; the packages with ImageNet's weights aside."""

_MALLOC: Final = ((-4, 0), (-1, -1), (-2, 1 << 28))  # M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD


@dataclass(frozen=True)
class Device:
    """A device by torch's name for it, and whether products are computed in bfloat16 there."""

    name: str
    half: bool


DEVICES: Final = {"cpu": Device("cpu", half=False), "cuda": Device("cuda", half=True)}
"""What may be asked for, besides `auto`."""


def require(extra: str, modules: Sequence[str]) -> None:
    """Raise MissingExtraError, which says what to install, unless all `modules` of an extra are there."""
    for module in modules:
        if find_spec(module) is None:
            raise MissingExtraError(module, extra)


def cuda_available() -> bool:
    """Tell whether torch finds a GPU."""
    import torch

    return torch.cuda.is_available()


def choose_device(name: str, say: Callable[[str], None] | None = None) -> Device:
    """Find the device to compute on.

    Parameters
    ----------
    name : str
        `cpu`, `cuda` or `auto`: the GPU where there is one, else the CPU.
    say : callable
        Takes the sentence that tells what `auto` took.

    Raises
    ------
    DeviceError
        `cuda` without a GPU.
    UnknownNameError
        Another name.
    """
    if name not in (*DEVICES, "auto"):
        raise UnknownNameError("device", name, (*DEVICES, "auto"))
    found = name != "cpu" and cuda_available()
    if name == "cuda" and not found:
        raise DeviceError("no GPU that torch can use; leave --device out, or give cpu")
    if name == "auto" and say is not None:
        say("device: the GPU" if found else "device: the CPU, no GPU was found")
    return DEVICES["cuda" if found else "cpu"]


def keep_memory() -> bool:
    """Keep freed memory in this process, where the C library is glibc; returns whether it does.

    A network frees and takes the same hundreds of megabytes in every batch. By default glibc returns each large piece
    to the system, which then fills it with zeros page by page again (`man 3 mallopt`).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(parameter, value) == 1 for parameter, value in _MALLOC)


def wait_asleep() -> None:
    """Let torch's threads sleep while they wait for each other, unless the environment says otherwise.

    They would spin, which costs little on an idle machine and most of the time on a busy one. OpenMP reads the setting
    when torch is imported, so that this comes before.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
