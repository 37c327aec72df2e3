"""Embeddings: the same on every route, whatever frames stand beside, and of no other network than the one on record."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.backends import cudnn

from features import device, embedding
from features.decode import Pixels
from features.device import Device
from features.embedding import logits_of, network_of, network_params, open_network
from features.errors import BundleError, DeviceError, FeatureMismatchError, MissingExtraError, UnknownNameError
from features.frame import Frame
from features.network import normalise, pool
from features.network_onnx import to_onnx
from features.profiles import feature_set
from features.spec import BlockSpec, FeatureSet, Session, Values
from models.bundle import resolve
from tests.images import photo
from tests.networks import HEADS, located, onnx_of, trained

ROOT = Path(__file__).parents[2]
PARAMS = network_params(onnx_of(), "lite0")
STAGES, LOGIT = (BlockSpec.of(name, **PARAMS) for name in ("embedding.stages", "embedding.logit"))
BOTH = FeatureSet("test", (STAGES, LOGIT))
LOCATED = to_onnx(located())
OWN = network_params(LOCATED, "lite0", HEADS, located=True)
ALL = FeatureSet("test", tuple(BlockSpec.of(f"embedding.{name}", **OWN) for name in ("stages", "logit", "map")))


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    return [Frame.load(photo(seed)) for seed in range(5)]


@pytest.fixture(scope="module")
def session() -> Session:
    return open_network(onnx_of())


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that passes for a GPU."""
    monkeypatch.setattr(device, "cuda_available", lambda: True)
    monkeypatch.setitem(device.DEVICES, "cuda", Device("cpu", half=True))


def test_values_are_those_of_the_network_in_their_order(frames: list[Frame], session: Session) -> None:
    pixels = torch.from_numpy(np.stack([frame.bgr for frame in frames]))
    with torch.inference_mode():
        maps = trained().maps(normalise(pixels))
        expected = torch.cat([pool(maps), trained().classify(maps[-1])], dim=1).numpy()
    found = BOTH.measure(frames, session)
    assert found.shape == (5, len(BOTH.names))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    at = BOTH.names.index("embedding.stages.stage2.std.c3")
    np.testing.assert_allclose(found[:, at], maps[1][:, 3].std((1, 2), unbiased=False).numpy(), rtol=0, atol=1e-4)
    assert np.ptp(found, axis=0).mean() > 0.05


@pytest.mark.parametrize("name", ["cuda", "auto"])
def test_torch_agrees_with_onnxruntime(frames: list[Frame], session: Session, gpu: None, name: str) -> None:
    other = open_network(onnx_of(), name)
    assert (other.batch, other.digest) == (32, session.digest)
    np.testing.assert_allclose(BOTH.measure(frames, other), BOTH.measure(frames, session), rtol=0, atol=1e-4)


def test_a_gpu_computes_in_full_precision(frames: list[Frame], gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bool, bool, torch.dtype]] = []

    def watched(pixels: torch.Tensor) -> torch.Tensor:
        found = normalise(pixels)
        seen.append((cudnn.allow_tf32, cudnn.deterministic, found.dtype))
        return found

    monkeypatch.setattr("features.network.normalise", watched)
    BOTH.measure(frames, open_network(onnx_of(), "cuda"))
    assert seen == [(False, True, torch.float32)]


def test_no_bit_depends_on_the_frames_beside(frames: list[Frame], session: Session) -> None:
    whole = BOTH.measure(frames, session)
    assert BOTH.measure(frames[::-1], session)[::-1].tobytes() == whole.tobytes()
    assert b"".join(BOTH.measure([frame], session).tobytes() for frame in frames) == whole.tobytes()


def test_no_bit_depends_on_the_frames_beside_in_torch(frames: list[Frame], gpu: None) -> None:
    session = open_network(onnx_of(), "cuda")
    whole = BOTH.measure(frames * 7, session)  # more than a batch
    assert whole[:5].tobytes() == whole[30:].tobytes() == BOTH.measure(frames, session).tobytes()


def test_the_network_computes_once_for_all_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    def infer(pixels: Pixels) -> list[Values]:
        counted.append(len(pixels))
        return [np.full((len(pixels), len(spec.names)), len(counted), np.float32) for spec in (LOGIT, STAGES)]

    monkeypatch.setattr(embedding, "_in_onnxruntime", lambda data: infer)
    session = open_network(onnx_of())
    for expected in ([1, 2], [3, 4]):
        values = BOTH.measure([Frame.load(photo(20)), Frame.load(photo(21))], session)
        assert values[:, [0, -1]].tolist() == [[row, row] for row in expected]
    assert counted == [1, 1, 1, 1]


def test_heads_and_map_have_names(frames: list[Frame]) -> None:
    pixels = torch.from_numpy(np.stack([frame.bgr for frame in frames]))
    with torch.inference_mode():
        last = located().maps(normalise(pixels))[-1]
        logits, cells = located().classify(last), located().locate(last)
    assert cells is not None
    found = dict(zip(ALL.names, ALL.measure(frames, open_network(LOCATED)).T, strict=True))
    for at, head in enumerate(HEADS):
        np.testing.assert_allclose(found[f"embedding.logit.{head}"], logits[:, at].numpy(), rtol=0, atol=1e-4)
    np.testing.assert_allclose(found["embedding.map.value.r3c5"], cells[:, 3, 5].numpy(), rtol=0, atol=1e-4)
    assert sum(name.startswith("embedding.map") for name in found) == 49


def test_torch_agrees_with_onnxruntime_on_heads_and_map(frames: list[Frame], gpu: None) -> None:
    one, other = open_network(LOCATED), open_network(LOCATED, "cuda")
    np.testing.assert_allclose(ALL.measure(frames, other), ALL.measure(frames, one), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_no_bit_of_heads_and_map_depends_on_the_frames_beside(frames: list[Frame], gpu: None, name: str) -> None:
    session = open_network(LOCATED, name)
    whole = ALL.measure(frames, session)
    assert ALL.measure(frames[::-1], session)[::-1].tobytes() == whole.tobytes()
    assert ALL.measure(frames[2:3], session).tobytes() == whole[2:3].tobytes()


def test_only_a_located_network_is_asked_for_its_map() -> None:
    plain, whole = (feature_set("full", params) for params in (PARAMS, OWN))
    assert "embedding.map" not in {spec.name for spec in plain.blocks}
    assert whole.names[-51:-48] == ("embedding.logit.found", "embedding.logit.forged", "embedding.map.value.r0c0")
    assert (logits_of(feature_set("fast")), logits_of(plain)) == ((), ("embedding.logit.value",))
    assert logits_of(whole) == ("embedding.logit.found", "embedding.logit.forged")
    assert FeatureSet.from_json(whole.to_json()) == whole
    assert not {"heads", "located"} & {key for spec in plain.blocks for key in spec.params}
    assert network_params(LOCATED, "lite0", ("forged",)).keys() == PARAMS.keys()  # one head needs no name


def test_the_digest_covers_network_and_preprocessing() -> None:
    others = [
        network_params(onnx_of(1), "lite0"),
        {**PARAMS, "architecture": "lite1"},
        {**PARAMS, "preprocessing": {**PARAMS["preprocessing"], "mean": 128.0}},
    ]
    digests = {BlockSpec.of("embedding.logit", **params).digest for params in (PARAMS, *others)}
    assert len(digests) == 4


def test_another_network_is_refused(frames: list[Frame]) -> None:
    with pytest.raises(FeatureMismatchError, match="is not"):
        BOTH.measure(frames[:1], open_network(onnx_of(1)))


def test_a_feature_set_knows_its_network() -> None:
    assert network_of(feature_set("fast")) is None
    assert network_of(feature_set("full", PARAMS)) == PARAMS["network"]


@pytest.mark.parametrize("name", ["cpu", "cuda"])
@pytest.mark.parametrize("data", [b"", b"no network", onnx_of()[:100_000]])
def test_what_is_no_network_is_refused(gpu: None, name: str, data: bytes) -> None:
    with pytest.raises(BundleError, match="not"):
        open_network(data, name)


def test_a_model_of_something_else_is_refused() -> None:
    with pytest.raises(BundleError, match=r"network\.onnx is a model of something else"):
        open_network((resolve("fast") / "booster.onnx").read_bytes())


def test_cuda_without_a_gpu_and_unknown_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "cuda_available", lambda: False)
    assert open_network(onnx_of(), "auto").batch == 1
    with pytest.raises(DeviceError, match="no GPU"):
        open_network(onnx_of(), "cuda")
    with pytest.raises(UnknownNameError, match="did you mean 'cuda'"):
        open_network(onnx_of(), "cudda")
    monkeypatch.setattr(device, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"torch is not installed; install it with: pip install"):
        open_network(onnx_of(), "cuda")


def test_the_cpu_needs_no_torch(tmp_path: Path) -> None:
    (tmp_path / "network.onnx").write_bytes(onnx_of())
    code = (
        "import sys; sys.modules.update(torch=None, onnx=None, safetensors=None)\n"
        "from pathlib import Path\n"
        "from features.embedding import open_network\n"
        f"print(open_network(Path({str(tmp_path / 'network.onnx')!r}).read_bytes()).digest)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == PARAMS["network"]
