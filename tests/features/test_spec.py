"""Blocks register once under good names; digests change when, and only when, a vector might."""

import copy
import json
import pickle
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from features import spec
from features.decode import Pixels
from features.errors import FeatureMismatchError, UnknownNameError
from features.frame import Frame
from features.profiles import feature_set
from features.spec import BlockSpec, FeatureSet, Params, Values, block, blocks
from tests.images import photo


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty registry with two blocks: `toy.mean` of settable length and `toy.max`."""
    monkeypatch.setattr(spec, "_REGISTRY", {})
    register("toy.mean", lambda frame, params: np.full(params["count"], frame.bgr.mean(), np.float32), count=2)
    register("toy.max", lambda frame, params: np.array([frame.bgr.max()] * params["count"], np.float32), count=1)


def register(name: str, compute: Callable[[Frame, Params], Values], *, version: int = 1, **defaults: Any) -> None:
    block(name, version=version, names=lambda params: [f"v{i}" for i in range(params["count"])], **defaults)(compute)


@pytest.fixture
def frame() -> Frame:
    return Frame.load(photo(0))


def test_registered_blocks_are_listed_in_order(registry: None) -> None:
    assert list(blocks()) == ["toy.mean", "toy.max"]


def test_the_list_of_blocks_is_a_copy(registry: None) -> None:
    dict(blocks()).clear()
    assert len(blocks()) == 2


def test_a_name_is_registered_once(registry: None) -> None:
    with pytest.raises(ValueError, match=r"'toy\.mean' is registered twice"):
        register("toy.mean", lambda frame, params: np.zeros(1, np.float32), count=1)


@pytest.mark.parametrize("name", ["", "toy", "Toy.mean", "toy.", ".toy", "toy.mean,x", "toy mean", "toy.mean\n"])
def test_malformed_names_are_refused(registry: None, name: str) -> None:
    with pytest.raises(ValueError, match=r"not of the form family\.block"):
        register(name, lambda frame, params: np.zeros(1, np.float32), count=1)


def test_a_block_is_used_with_defaults_or_with_other_parameters(registry: None, frame: Frame) -> None:
    assert BlockSpec.of("toy.mean").names == ("toy.mean.v0", "toy.mean.v1")
    assert BlockSpec.of("toy.mean", count=3).names[-1] == "toy.mean.v2"
    assert BlockSpec.of("toy.mean", count=3).compute(frame).shape == (3,)


def test_an_optional_parameter_is_absent_unless_it_is_set(registry: None) -> None:
    block("toy.heads", version=1, names=lambda params: params.get("heads", ("value",)), optional=("heads",), n=1)(
        lambda frame, params: np.zeros(1, np.float32)
    )
    plain, several = BlockSpec.of("toy.heads"), BlockSpec.of("toy.heads", heads=["a", "b"])
    assert plain.params == {"n": 1}
    assert (plain.names, several.names) == (("toy.heads.value",), ("toy.heads.a", "toy.heads.b"))
    assert plain.digest != several.digest
    assert FeatureSet.from_json(FeatureSet("toy", (several,)).to_json()).blocks == (several,)
    with pytest.raises(UnknownNameError, match="did you mean 'heads'"):
        BlockSpec.of("toy.heads", haeds=["a"])


def test_unknown_blocks_and_parameters_get_the_nearest(registry: None) -> None:
    with pytest.raises(UnknownNameError, match=r"no block 'toy.maen'; did you mean 'toy.mean'\?"):
        BlockSpec.of("toy.maen")
    with pytest.raises(UnknownNameError, match=r"no parameter of toy.mean 'cuont'; did you mean 'count'\?"):
        BlockSpec.of("toy.mean", cuont=3)


@pytest.mark.parametrize(
    "values", [np.zeros(2, np.float32), np.zeros((1, 1), np.float32), np.zeros(1), np.zeros(1, np.int32)]
)
def test_a_block_of_wrong_length_or_type_is_caught(registry: None, frame: Frame, values: Values) -> None:
    register("toy.wrong", lambda frame, params: values, count=1)
    with pytest.raises(ValueError, match=r"block toy.wrong gave .*, not float32\(1,\)"):
        BlockSpec.of("toy.wrong").compute(frame)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_named(registry: None, frame: Frame, value: float) -> None:
    register("toy.ill", lambda frame, params: np.array([0, value], np.float32), count=2)
    whole = FeatureSet("p", (BlockSpec.of("toy.mean"), BlockSpec.of("toy.ill")))
    with pytest.raises(ValueError, match=r"toy\.ill\.v1 is not finite"):
        whole.compute(frame)


class Doubling:
    """A network that gives twice the mean of a frame, and counts its runs."""

    digest, batch = "0" * 64, 4

    def __init__(self) -> None:
        self.runs = 0

    def run(self, frames: tuple[Frame, ...]) -> Mapping[str, Values]:
        self.runs += 1
        return {"double": np.array([[2 * frame.bgr.mean()] for frame in frames], np.float32)}


@pytest.fixture
def mixed(registry: None) -> FeatureSet:
    """A batched block between two others."""
    named = block("toy.double", version=1, names=lambda params: ("value",), batched=True)
    named(lambda frames, params, session: session.run(frames)["double"])
    return FeatureSet("p", tuple(map(BlockSpec.of, ("toy.mean", "toy.double", "toy.max"))))


def test_frames_are_measured_together_as_one_by_one(mixed: FeatureSet) -> None:
    frames = [Frame.load(photo(seed)) for seed in range(5)]
    whole = mixed.measure(frames, Doubling())
    assert whole.shape == (5, 4)
    assert whole.dtype == np.float32
    pure = FeatureSet("p", (mixed.blocks[0], mixed.blocks[2]))
    for frame, row in zip(frames, whole, strict=True):
        assert mixed.measure([frame], Doubling())[0].tobytes() == row.tobytes()
        assert pure.compute(frame).tobytes() == row[[0, 1, 3]].tobytes()
        assert row[2] == np.float32(2 * frame.bgr.mean())
    assert pure.measure(frames).tobytes() == whole[:, [0, 1, 3]].tobytes()


def test_no_frames_are_no_rows(mixed: FeatureSet) -> None:
    assert mixed.measure([]).shape == (0, 4)


def test_planes_are_not_kept_by_a_measurement() -> None:
    frame = Frame.load(photo(1))
    feature_set("fast").measure([frame])
    assert set(vars(frame)) == {"bgr", "size"}


def test_a_batched_block_needs_its_network(mixed: FeatureSet, frame: Frame) -> None:
    with pytest.raises(ValueError, match=r"block toy\.double measures with a network, and none was given"):
        mixed.measure([frame])


@pytest.mark.parametrize("values", [np.zeros((1, 1), np.float32), np.zeros((2, 2), np.float32), np.zeros((2, 1))])
def test_a_batched_block_of_wrong_shape_or_type_is_caught(registry: None, frame: Frame, values: Values) -> None:
    named = block("toy.wrong", version=1, names=lambda params: ("value",), batched=True)
    named(lambda frames, params, session: values)
    with pytest.raises(ValueError, match=r"block toy.wrong gave .*, not float32\(2, 1\)"):
        FeatureSet("p", (BlockSpec.of("toy.wrong"),)).measure([frame, frame], Doubling())


def test_a_value_of_any_row_that_is_not_finite_is_named(mixed: FeatureSet, frame: Frame) -> None:
    class Ill(Doubling):
        def run(self, frames: tuple[Frame, ...]) -> Mapping[str, Values]:
            return {"double": np.array([[0], [np.nan]], np.float32)}

    with pytest.raises(ValueError, match=r"toy\.double\.value is not finite"):
        mixed.measure([frame, frame], Ill())


def test_a_set_is_its_blocks_in_order(registry: None, frame: Frame) -> None:
    mean, top = BlockSpec.of("toy.mean"), BlockSpec.of("toy.max")
    whole = FeatureSet("p", (top, mean))
    assert whole.names == top.names + mean.names
    np.testing.assert_array_equal(whole.compute(frame), np.concatenate([top.compute(frame), mean.compute(frame)]))


# Digests


def test_digests_are_sha256_and_repeat(registry: None) -> None:
    assert re.fullmatch("[0-9a-f]{64}", BlockSpec.of("toy.mean").digest)
    assert BlockSpec.of("toy.mean").digest == BlockSpec.of("toy.mean", count=2).digest
    one, two = (FeatureSet(profile, (BlockSpec.of("toy.mean"),)) for profile in ("one", "two"))
    assert one.digest == two.digest  # the profile's name measures nothing


def test_a_digest_covers_name_version_parameters_order_and_policy(
    registry: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    mean, top = BlockSpec.of("toy.mean"), BlockSpec.of("toy.max")
    blocks_differ = {
        mean.digest,
        top.digest,
        BlockSpec.of("toy.mean", count=3).digest,
        BlockSpec("toy.mean", 2, mean.params).digest,
    }
    monkeypatch.setattr(spec, "FRAME_POLICY", "another")
    assert len(blocks_differ | {BlockSpec.of("toy.mean").digest}) == 5
    sets = [(mean, top), (top, mean), (mean,), (mean, top, top)]
    assert len({FeatureSet("p", chosen).digest for chosen in sets}) == len(sets)


def test_the_order_of_parameters_does_not_matter() -> None:
    assert BlockSpec("a.b", 1, {"x": 1, "y": 2}).digest == BlockSpec("a.b", 1, {"y": 2, "x": 1}).digest


# JSON


@pytest.fixture
def record(registry: None) -> dict[str, Any]:
    whole = FeatureSet("p", (BlockSpec.of("toy.mean", count=3), BlockSpec.of("toy.max")))
    loaded: dict[str, Any] = json.loads(json.dumps(whole.to_json()))
    return loaded


def test_a_set_survives_json(record: dict[str, Any]) -> None:
    rebuilt = FeatureSet.from_json(record)
    assert rebuilt.to_json() == record
    assert rebuilt.names == ("toy.mean.v0", "toy.mean.v1", "toy.mean.v2", "toy.max.v0")


def test_a_sequence_among_the_parameters_survives_json(registry: None) -> None:
    register("toy.list", lambda frame, params: np.zeros(1, np.float32), count=1, radii=(1, 2))
    whole = FeatureSet("p", (BlockSpec.of("toy.list"),))
    assert FeatureSet.from_json(json.loads(json.dumps(whole.to_json()))).digest == whole.digest


def test_a_block_that_changed_is_named(record: dict[str, Any]) -> None:
    del spec._REGISTRY["toy.max"]
    register("toy.max", lambda frame, params: np.zeros(1, np.float32), version=2, count=1)
    with pytest.raises(FeatureMismatchError, match=r"block toy\.max differs: written by version 1, this is version 2"):
        FeatureSet.from_json(record)


def test_a_changed_policy_is_no_change_of_version(record: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "FRAME_POLICY", "another")
    with pytest.raises(FeatureMismatchError, match=r"block toy\.mean differs: same version, .*decode policy"):
        FeatureSet.from_json(record)


def test_a_block_that_is_gone_is_named(record: dict[str, Any]) -> None:
    del spec._REGISTRY["toy.max"]
    with pytest.raises(UnknownNameError, match=r"no block 'toy\.max'"):
        FeatureSet.from_json(record)


def _swap(record: dict[str, Any]) -> None:
    record["blocks"].reverse()


def _drop(record: dict[str, Any]) -> None:
    record["blocks"].pop()


@pytest.mark.parametrize("change", [_swap, _drop])
def test_blocks_swapped_or_dropped_are_noticed(
    record: dict[str, Any], change: Callable[[dict[str, Any]], None]
) -> None:
    changed = copy.deepcopy(record)
    change(changed)
    with pytest.raises(FeatureMismatchError, match="number or order"):
        FeatureSet.from_json(changed)


def test_sets_travel_to_worker_processes() -> None:
    whole = feature_set("fast")
    assert pickle.loads(pickle.dumps(whole)).digest == whole.digest


# The profiles


@pytest.fixture
def profile() -> FeatureSet:
    return feature_set("fast")


def test_an_unknown_profile_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no profile 'fsat'; did you mean 'fast'\?"):
        feature_set("fsat")


def test_names_are_distinct_and_fit_every_tool(profile: FeatureSet) -> None:
    assert len(set(profile.names)) == len(profile.names)
    assert all(re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+){2,}", name) for name in profile.names)


def test_names_lead_back_to_their_block(profile: FeatureSet) -> None:
    for one in profile.blocks:
        assert {".".join(name.split(".")[:2]) for name in one.names} == {one.name}


def test_a_profile_survives_json(profile: FeatureSet) -> None:
    rebuilt = FeatureSet.from_json(json.loads(json.dumps(profile.to_json())))
    assert (rebuilt.digest, rebuilt.names) == (profile.digest, profile.names)


def _ramp() -> Pixels:
    return np.repeat(np.tile(np.arange(224, dtype=np.uint8), (224, 1))[..., None], 3, axis=2)


def _checks() -> Pixels:
    return np.repeat(((np.indices((224, 224)).sum(axis=0) % 2) * 255).astype(np.uint8)[..., None], 3, axis=2)


EXTREMES: Mapping[str, Pixels] = {
    "photo": photo(1),
    "black": np.zeros((224, 224, 3), np.uint8),
    "white": np.full((224, 224, 3), 255, np.uint8),
    "ramp": _ramp(),
    "checks": _checks(),
    "noise": np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8),
    "least": photo(2, 32),
    "grey": photo(3)[..., 0],
    "one pixel": np.pad(np.full((1, 1, 3), 255, np.uint8), ((100, 123), (100, 123), (0, 0))),
}


@pytest.mark.parametrize("image", EXTREMES.values(), ids=EXTREMES)
def test_every_image_has_finite_values(profile: FeatureSet, image: Pixels) -> None:
    values = profile.compute(Frame.load(image))
    assert values.dtype == np.float32
    assert values.shape == (len(profile.names),)
    assert np.isfinite(values).all()


def test_values_do_not_depend_on_what_was_measured_before(profile: FeatureSet) -> None:
    alone = profile.compute(Frame.load(photo(5)))
    profile.compute(Frame.load(photo(6)))
    assert profile.compute(Frame.load(photo(5))).tobytes() == alone.tobytes()


def test_a_block_alone_equals_its_part_of_the_whole(profile: FeatureSet) -> None:
    whole, at = profile.compute(Frame.load(photo(7))), 0
    for one in reversed(profile.blocks):
        at -= len(one.names)
        part = whole[at : at + len(one.names) or None]
        assert one.compute(Frame.load(photo(7))).tobytes() == part.tobytes()
