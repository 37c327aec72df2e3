"""Stages add up to what scoring does, and a block is charged with the planes that only it asks for."""

from pathlib import Path

from benchmarks.stages import PLANES, Stages, medians
from features.profiles import feature_set
from features.spec import BlockSpec, FeatureSet
from pipelines.score import load_detector


def test_every_stage_of_a_verdict_is_timed(images: Path, small_detector: Path) -> None:
    detector = load_detector(str(small_detector))
    stages = Stages(detector.bundle.feature_set)
    path = str(next(images.rglob("*.jpg")))
    spans = stages.time_verdict(detector, path)
    planes = {f"plane {plane}" for planes in stages.asked.values() for plane in planes}
    blocks = {spec.name for spec in detector.bundle.feature_set.blocks}
    assert set(spans) == {"read", "sha256", "decode", "vector", "decision", "row"} | planes | blocks
    assert all(span > 0 for span in spans.values())
    assert set(stages.time_vector(path)) == {"vector"} | planes | blocks


def test_planes_are_found_by_trial() -> None:
    asked = Stages(feature_set("fast")).asked
    assert asked["color.global"] == {"planes"}
    assert asked["dct.moments"] >= {"planes", "luma_float", "dct"}
    assert set().union(*asked.values()) <= set(PLANES)


def test_a_block_costs_itself_and_the_planes_that_only_it_asks_for() -> None:
    stages = Stages(FeatureSet("two", (BlockSpec.of("color.global"), BlockSpec.of("dct.moments"))))
    times = {f"plane {plane}": 10.0 for plane in PLANES} | {"color.global": 1.0, "dct.moments": 2.0}
    own = len(stages.asked["dct.moments"] - {"planes"})
    assert stages.marginal(times) == {"color.global": 1.0, "dct.moments": 2.0 + 10.0 * own}
    assert own >= 2


def test_medians_are_in_microseconds() -> None:
    assert medians([{"a": 1000}, {"a": 5000, "b": 2000}, {"a": 3000}]) == {"a": 3.0, "b": 2.0}
