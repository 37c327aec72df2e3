"""Every block of every profile: its names, its values beside the twin's, and pictures that break careless code."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.twin import TWINS, Picture, twin
from features.decode import Pixels
from features.embedding import network_params
from features.errors import BundleError, UnknownNameError
from features.frame import Frame
from features.profiles import PROFILES, feature_set
from features.source import open_archive
from features.spec import blocks
from tests.features.agreement import ABSOLUTE, SMOOTH, differing, edges
from tests.features.pictures import BLOCKS, FORENSIC, PICTURES
from tests.images import photo

SETS = {"fast": feature_set("fast"), "full": feature_set("full", network_params(b"a network", "lite0"))}
NOISELESS = ("black", "white", "flat", "gradient", "step", "checkerboard", "one pixel")


def at_working_size(rgb: Pixels) -> Pixels:
    return np.ascontiguousarray(Frame.load(rgb).bgr[..., ::-1])


def values_of(rgb: Pixels) -> dict[str, float]:
    return dict(zip(FORENSIC.names, FORENSIC.compute(Frame.load(rgb)).tolist(), strict=True))


# Names


@pytest.mark.parametrize("profile", PROFILES)
def test_names_are_plain_and_lead_back_to_their_block(profile: str) -> None:
    whole = SETS[profile]
    assert len(set(whole.names)) == len(whole.names)
    owners = []
    for name in whole.names:
        assert re.fullmatch(r"[a-z0-9._]+", name), name
        owners += [spec.name for spec in whole.blocks if name.startswith(f"{spec.name}.")]
    assert owners == [spec.name for spec in whole.blocks for _ in spec.names]


def test_profile_fast_has_the_size_that_was_asked_for() -> None:
    assert 1300 <= len(feature_set("fast").names) <= 2500


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_are_made_of_registered_blocks(profile: str) -> None:
    assert len(set(PROFILES[profile])) == len(PROFILES[profile])
    assert set(PROFILES[profile]) <= set(blocks())
    assert [spec.name for spec in SETS[profile].blocks if spec.version >= 1] == list(PROFILES[profile])


def test_an_unknown_profile_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no profile 'fats'; did you mean 'fast'\?"):
        feature_set("fats")


def test_profile_full_adds_what_the_network_sees() -> None:
    fast, full = SETS["fast"], SETS["full"]
    assert full.blocks[: len(fast.blocks)] == fast.blocks
    assert full.names[len(fast.names)] == "embedding.stages.stage1.mean.c0"
    assert full.names[-2:] == ("embedding.stages.head.std.c1279", "embedding.logit.value")
    assert len(full.names) - len(fast.names) == 2 * (16 + 24 + 40 + 112 + 320 + 1280) + 1
    with pytest.raises(BundleError, match="profile full measures with a network, and none was given"):
        feature_set("full")


# The twin


def test_every_block_has_a_twin_that_calls_its_values_the_same() -> None:
    assert {name: [f"{name}.{value}" for value in entry.names] for name, entry in TWINS.items()} == {
        name: list(spec.names) for name, spec in BLOCKS.items()
    }
    assert set(ABSOLUTE) | set(SMOOTH) <= set(BLOCKS)


@pytest.mark.parametrize("picture", PICTURES)
def test_planes_and_pyramid_equal_the_twins(picture: str) -> None:
    frame = Frame.load(PICTURES[picture]())
    other = Picture(at_working_size(PICTURES[picture]()))
    for one, two in zip(
        (*frame.planes, *frame.pyramid, *frame.chroma), (*other.planes, *other.pyramid, *other.chroma), strict=True
    ):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_equals_its_twin(name: str, picture: str) -> None:
    rgb = at_working_size(PICTURES[picture]())
    spec, entry = BLOCKS[name], TWINS[name]
    values = dict(zip(spec.names, spec.compute(Frame.load(rgb)).tolist(), strict=True))
    expected = dict(zip(spec.names, entry.compute(Picture(rgb)).tolist(), strict=True))
    assert not differing(values, expected, edges(rgb), smooth=picture in NOISELESS)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), low=st.integers(0, 200), span=st.integers(2, 56), cell=st.sampled_from([1, 3, 8]))
def test_the_whole_vector_equals_the_twins_on_random_pictures(seed: int, low: int, span: int, cell: int) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(low, low + span, (224 // cell + 1, 224 // cell + 1, 3))
    rgb = coarse.repeat(cell, axis=0).repeat(cell, axis=1)[:224, :224] + rng.integers(-2, 3, (224, 224, 3))
    rgb = np.clip(rgb, 0, 255).astype(np.uint8)
    assert not differing(values_of(rgb), twin(rgb, BLOCKS), edges(rgb))


@pytest.mark.realdata
def test_real_faces_equal_the_twin_decoded_elsewhere(deepfake_faces: Path) -> None:
    archive = open_archive(str(deepfake_faces))
    for name in [name for name in archive.namelist() if name.endswith(".jpg")][::4000]:
        data = archive.read(name)
        rgb = np.asarray(Image.open(io.BytesIO(data)))
        values = dict(zip(FORENSIC.names, FORENSIC.compute(Frame.load(data)).tolist(), strict=True))
        assert not differing(values, twin(rgb, BLOCKS), edges(rgb))


# All pictures


@pytest.mark.parametrize("picture", PICTURES)
def test_values_are_finite_float32(picture: str) -> None:
    values = FORENSIC.compute(Frame.load(PICTURES[picture]()))
    assert values.dtype == np.float32
    assert np.isfinite(values).all()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    size=st.tuples(st.integers(32, 400), st.integers(32, 400)),
    kind=st.sampled_from(["flat", "two", "noise"]),
)
def test_any_pixels_give_finite_values(seed: int, size: tuple[int, int], kind: str) -> None:
    rng = np.random.default_rng(seed)
    colors = {"flat": 1, "two": 2, "noise": 256}[kind]
    rgb = rng.integers(0, 256, (colors, 3))[rng.integers(0, colors, size)]
    assert np.isfinite(list(values_of(rgb.astype(np.uint8)).values())).all()


def test_every_value_varies() -> None:
    vectors = [FORENSIC.compute(Frame.load(make())) for make in PICTURES.values()]
    vectors += [FORENSIC.compute(Frame.load(photo(seed))) for seed in range(8)]
    names = np.array(FORENSIC.names)
    assert list(names[np.ptp(vectors, axis=0) == 0]) == []
