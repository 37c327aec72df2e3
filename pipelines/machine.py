"""What a result file holds beside its figures: the machine that gave them; and how figures and names are written."""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from pipelines.engine import cores

__all__ = ["machine", "named_apart", "public", "round_all"]

# fmt: off
_LIBRARIES: Final = (
    "lightgbm", "numpy", "onnxruntime", "opencv-python-headless", "pandas", "pillow", "pyarrow", "scikit-image",
    "scipy", "simplejpeg", "torch",
)
# fmt: on
_DIGITS = 6


def machine() -> dict[str, Any]:
    """Describe the machine: processor, cores, and the versions of Python and of the libraries."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "cores_used": cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": {name: found for name in _LIBRARIES if (found := _version(name))},
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def round_all(values: Any) -> Any:
    """Round every float inside JSON values to six significant digits."""
    if isinstance(values, Mapping):
        return {key: round_all(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [round_all(value) for value in values]
    return float(f"{values:.{_DIGITS}g}") if isinstance(values, float) else values


def public(argument: str) -> str:
    """Write an argument of a command as others may read it: of an absolute path only the name."""
    return f".../{Path(argument).name}" if Path(argument).is_absolute() else argument


def named_apart(names: Sequence[str], digests: Sequence[str]) -> list[str]:
    """Add the begin of its digest to each name that occurs twice."""
    return [
        f"{name} {digest[:6]}" if names.count(name) > 1 else name for name, digest in zip(names, digests, strict=True)
    ]
