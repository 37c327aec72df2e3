"""Judges with phorensics: fixed rules over spectrum, error level, noise and chroma, nothing learnt."""

import os
from collections.abc import Callable
from importlib import import_module

__all__ = ["make"]


def make() -> tuple[Callable[[str], str], Callable[[str], float]]:
    """Make the steps; the second reads and judges, and returns the probability of a forgery in per cent."""
    os.environ["TQDM_DISABLE"] = "1"  # a bar for each image is no part of the verdict
    torch, phorensics = import_module("torch"), import_module("phorensics")
    torch.set_num_threads(1)

    def judge(path: str) -> float:
        return float(phorensics.ImageScanner(path, force_cpu=True).analyze()["Fake_Prob"])

    return str, judge
