"""Says whether an installation is sound: versions, extras, the detectors that ship, and a self-test of each.

The self-test scores a picture made by code and compares the probability with the one noted when the detector was
shipped (`models/pretrained/self_test.json`), so that a library that computes otherwise is noticed.
"""

import importlib
import importlib.util
import json
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from features.errors import FauxfaceError
from pipelines import __version__

if TYPE_CHECKING:
    from features.decode import Pixels

__all__ = ["SHIPPED", "SHOWN", "TOLERANCE", "Finding", "doctor", "explain_import", "note_self_test", "specimen"]

SHOWN: Final = {"check": 22, "status": 6, "detail": 0}
"""The columns of a finding, and their widths in a table."""

SHIPPED: Final = ("fast", "full")
"""The detectors that an installation has."""

TOLERANCE: Final = 0.01
"""How far a self-test's probability may lie from the one noted: processors round differently in the last place."""

_LIBRARIES = {
    "numpy": "numpy",
    "opencv-python-headless": "cv2",
    "simplejpeg": "simplejpeg",
    "pillow": "PIL",
    "onnxruntime": "onnxruntime",
    "onnx": "onnx",
    "pyarrow": "pyarrow",
    "pandas": "pandas",
    "scikit-learn": "sklearn",
    "lightgbm": "lightgbm",
    "joblib": "joblib",
}
_EXTRAS = {
    "neural": ("torch", "safetensors"),
    "serve": ("fastapi", "uvicorn"),
    "cluster": ("dask", "distributed", "fsspec"),
    "demo": ("skimage",),
}


@dataclass(frozen=True)
class Finding:
    """What was looked at, whether it is `ok`, `absent` (optional) or `broken`, and what was found."""

    check: str
    status: str
    detail: str

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return asdict(self)


def doctor() -> Iterator[Finding]:
    """Check the installation, one finding after the other."""
    from pipelines.engine import cores

    yield Finding("fauxface", "ok", __version__)
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.platform()}")
    yield Finding("cores", "ok", str(cores()))
    yield from (_library(package, module) for package, module in _LIBRARIES.items())
    yield from (_extra(name, modules) for name, modules in _EXTRAS.items())
    for name in SHIPPED:
        yield from _detector(name)


def explain_import(error: BaseException) -> str:
    """Say what to do about a library that does not load; an empty string where nothing is known."""
    if "libgomp" in str(error):
        return "LightGBM needs the system library libgomp.so.1; install it with: apt-get install libgomp1"
    return ""


def _library(package: str, module: str) -> Finding:
    try:
        importlib.import_module(module)
        return Finding(package, "ok", metadata.version(package))
    except (ImportError, OSError) as error:
        return Finding(package, "broken", explain_import(error) or f"does not load: {error}")


def _extra(name: str, modules: tuple[str, ...]) -> Finding:
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        return Finding(f"extra {name}", "absent", f"no {', '.join(missing)}; pip install 'fauxface[{name}]'")
    return Finding(f"extra {name}", "ok", ", ".join(modules))


def _detector(name: str) -> Iterator[Finding]:
    from models.bundle import inspect, resolve, verify

    check = f"detector {name}"
    try:
        path = resolve(name)
        problems = verify(path)
    except FauxfaceError as error:
        yield Finding(check, "broken", str(error))
        return
    if problems:
        yield Finding(check, "broken", "; ".join(problems))
        return
    record = inspect(path)
    yield Finding(check, "ok", f"digest {record['digest']}")
    for file, sha256 in record["files"].items():
        yield Finding(f"  {file}", "ok", f"sha256 {sha256}")
    yield _self_test(name, record["digest"])


def _self_test(name: str, digest: str) -> Finding:
    noted = _noted().get(name, {})
    if noted.get("digest") != digest:
        return Finding(f"self-test {name}", "broken", "no probability was noted for this very detector")
    probability = _probability(name)
    sound = abs(probability - noted["probability"]) <= TOLERANCE
    detail = f"probability {probability:.6f}, expected {noted['probability']:.6f}"
    return Finding(f"self-test {name}", "ok" if sound else "broken", detail)


def note_self_test(name: str) -> float:
    """Note, when a detector is shipped, which probability its self-test gives; returns it."""
    from models.bundle import inspect, resolve

    probability = _probability(name)
    noted = _noted() | {name: {"digest": inspect(resolve(name))["digest"], "probability": probability}}
    _file().write_text(json.dumps(noted, indent=1, sort_keys=True) + "\n")
    return probability


def specimen() -> "Pixels":
    """Make the picture of the self-test: (224, 224, 3) uint8 RGB, the same everywhere (integers only)."""
    import numpy as np

    rows, columns = np.mgrid[:224, :224]
    waves = np.stack([(rows * columns) // 180, (rows * rows + columns * columns) // 400, 2 * rows - columns], axis=-1)
    folded = np.abs(waves % 320 - 160)  # ramps up and down, without edges
    noise = np.random.Generator(np.random.PCG64(0)).integers(0, 24, size=folded.shape)
    return np.asarray(folded + noise + 32, np.uint8)


def _probability(name: str) -> float:
    from pipelines.score import load_detector

    probability = load_detector(name, faces="off").score(specimen()).probability
    if probability is None:
        raise FauxfaceError("the self-test's picture was refused")
    return probability


def _file() -> Path:
    from models.bundle import PRETRAINED

    return PRETRAINED / "self_test.json"


def _noted() -> dict[str, Any]:
    return dict(json.loads(_file().read_text())) if _file().is_file() else {}
