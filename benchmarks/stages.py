"""Where the time of one image goes: read, decode, each shared plane, each block, decision, row.

A block's own time is what it takes once the planes that blocks share are there. Its marginal time, what leaving it out
would save, is its own and that of the planes which no other block asks for. What a network computes counts as a plane.
"""

import hashlib
import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from time import perf_counter_ns
from typing import Final

import numpy as np

from features.decode import Pixels
from features.frame import Frame
from features.source import read_bytes
from features.spec import BlockSpec, FeatureSet, Session, Values
from models.verdict import Verdict
from pipelines.score import Detector

__all__ = ["NETWORK", "PLANES", "Spans", "Stages", "medians"]

NETWORK: Final = "network"
"""The plane of blocks that measure with a network."""

PLANES: Final = (*(name for name, value in vars(Frame).items() if isinstance(value, cached_property)), NETWORK)
"""What a frame computes once for all blocks, each after those it is made of."""

Spans = dict[str, int]
"""Nanoseconds by stage."""


class _Stopwatch:
    """Names spans of time, each from the mark before it."""

    def __init__(self) -> None:
        self.spans: Spans = {}
        self._last = perf_counter_ns()

    def mark(self, stage: str) -> None:
        self.spans[stage] = perf_counter_ns() - self._last
        self._last = perf_counter_ns()


class Stages:
    """Times a feature set piece by piece.

    Attributes
    ----------
    features : FeatureSet
        What is measured.
    network : Session
        What it measures with; None where it needs none.
    asked : mapping
        The planes that each block asks for, by its name; found by trial on noise.
    """

    def __init__(self, features: FeatureSet, network: Session | None = None) -> None:
        """Find out which block asks for which planes."""
        noise = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
        self.features = features
        self.network = network
        self.asked: Mapping[str, frozenset[str]] = {spec.name: _planes(spec, noise) for spec in features.blocks}
        self._planes = [plane for plane in PLANES if any(plane in planes for planes in self.asked.values())]

    def time_vector(self, path: str) -> Spans:
        """Measure one image; spans of planes and blocks."""
        frame = Frame.load(path)
        watch = _Stopwatch()
        self._measure(frame, watch)
        return watch.spans

    def time_verdict(self, detector: Detector, path: str) -> Spans:
        """Do what `detector.score` does, up to the row of ndjson; spans of all stages."""
        watch = _Stopwatch()
        data = read_bytes(path)
        watch.mark("read")
        digest = hashlib.sha256(data).hexdigest()
        watch.mark("sha256")
        frame = Frame.load(data)
        watch.mark("decode")
        values = self._measure(frame, watch)
        probability = float(detector.bundle.probability(values[None])[0])
        verdict = detector.bundle.decide(probability)
        watch.mark("decision")
        json.dumps(Verdict(path, digest, probability, verdict, None, None, detector.bundle.ref).to_json())
        watch.mark("row")
        return watch.spans

    def _measure(self, frame: Frame, watch: _Stopwatch) -> Values:
        alone = (frame,)
        for plane in self._planes:
            if plane == NETWORK and self.network:
                self.network.run(alone)
            else:
                getattr(frame, plane)
            watch.mark(f"plane {plane}")
        parts = []
        for spec in self.features.blocks:
            parts.append(spec.measure(alone, self.network)[0] if spec.batched else spec.compute(frame))
            watch.mark(spec.name)
        values = np.concatenate(parts)
        if not np.isfinite(values).all():
            raise ValueError("a value is not finite")
        watch.mark("vector")
        return values

    def marginal(self, times: Mapping[str, float]) -> dict[str, float]:
        """Give what leaving out each block would save, in the unit of `times` (which `medians` gives)."""
        return {name: times[name] + sum(times[f"plane {plane}"] for plane in self._sole(name)) for name in self.asked}

    def _sole(self, name: str) -> frozenset[str]:
        others = (planes for other, planes in self.asked.items() if other != name)
        return self.asked[name].difference(*others)


def _planes(spec: BlockSpec, image: Pixels) -> frozenset[str]:
    if spec.batched:
        return frozenset({NETWORK})
    frame = Frame(image)
    spec.compute(frame)
    return frozenset(vars(frame)).intersection(PLANES)


def medians(images: Iterable[Spans]) -> dict[str, float]:
    """Take the median of each stage over images, in microseconds."""
    gathered: dict[str, list[int]] = defaultdict(list)
    for spans in images:
        for stage, nanoseconds in spans.items():
            gathered[stage].append(nanoseconds)
    return {stage: statistics.median(values) / 1000 for stage, values in gathered.items()}
