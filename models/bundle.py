"""A trained detector on disk: a folder that is read, checked and run without LightGBM.

    manifest.json   what it is, what it measures, how it was trained, the sha256 of every other file
    booster.onnx    the trees as scoring runs them
    booster.txt     the same trees as LightGBM writes them, to explain
    novelty.onnx    how unlike the training images a row is
    network.onnx    the network that some of its features are measured with, where it has any
    MODEL_CARD.md   for people; may be written anew when more has been measured

The digest of a bundle is the sha256 of its manifest, and the manifest vouches for every file but the card. Nothing in
it tells time or place, so the same training gives the same digest, and a bundle can be moved.

Version 1 had no novelty.onnx, no calibration scores and no start, and vouched for its card.

To change the format: raise FORMAT_VERSION, teach `load` to read the older versions too, and keep one bundle of each
version in tests/archives, where a test loads it for ever.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features import profiles as profiles  # importing it registers every block
from features.embedding import network_of, open_network
from features.errors import BundleError, FeatureMismatchError, UnknownNameError
from features.frame import Frame
from features.spec import FeatureSet, Session
from models.calibration import Calibration, OperatingPoints
from models.files import local_folder, read_bounded, read_checked, replace_folder
from models.novelty import Novelty
from models.trees import Start, Trees, add_up
from models.verdict import ModelRef

__all__ = [
    "CARD",
    "FILES",
    "FORMAT_VERSION",
    "MANIFEST",
    "NETWORK_ONNX",
    "NOVELTY_ONNX",
    "PRETRAINED",
    "Bundle",
    "inspect",
    "load",
    "resolve",
    "save",
    "verify",
]

FORMAT_VERSION: Final = 2
"""The version of the bundle's form that `save` writes."""

FILES: Final = ("booster.onnx", "booster.txt")
"""What every bundle holds beside its manifest."""

CARD: Final = "MODEL_CARD.md"
"""What it says to people."""

NOVELTY_ONNX: Final = "novelty.onnx"
"""What it holds from version 2 on, where it was made by `train`."""

NETWORK_ONNX: Final = "network.onnx"
"""What it also holds where it measures with a network."""

PRETRAINED: Final = Path(__file__).parent / "pretrained"
"""The bundles that ship, one folder each."""

MANIFEST: Final = "manifest.json"
"""The record of a bundle."""

_READABLE: Final = (1, FORMAT_VERSION)
_MAX_MANIFEST_BYTES, _MAX_FILES = 1 << 24, 16
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

Values = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bundle:
    """A detector ready to judge.

    Attributes
    ----------
    name, digest : str
        What it is called, and the sha256 of its manifest.
    feature_set : FeatureSet
        What it measures; a row of `values` has `feature_set.names`, in order.
    calibration, points
        From scores to probabilities to verdicts.
    trees : Trees
        From values to scores.
    manifest : dict
        The whole record.
    network : Session
        What some features are measured with; None where there are no such.
    start : Start
        What is added to the trees' scores; None where nothing is.
    novelty : Novelty
        How unlike the training images a row is; None where the bundle does not tell.
    """

    name: str
    digest: str
    feature_set: FeatureSet
    calibration: Calibration
    points: OperatingPoints
    trees: Trees
    manifest: Mapping[str, Any]
    network: Session | None = None
    start: Start | None = None
    novelty: Novelty | None = None

    @property
    def ref(self) -> ModelRef:
        """How a verdict names this detector."""
        return ModelRef(self.name, self.digest)

    def measure(self, frames: Sequence[Frame]) -> Values:
        """Measure frames: (len(frames), len(feature_set.names)) float32, a row the same whatever rows are beside it."""
        return self.feature_set.measure(frames, self.network)

    def scores(self, values: Values) -> npt.NDArray[np.floating[Any]]:
        """Raw scores of (n, d) float32 rows, in the order of `feature_set.names`: (n,) float."""
        return add_up(self.trees, self.start, values, self.feature_set.names)

    def probability(self, values: Values, views: Sequence[int] | None = None) -> Floats:
        """Calibrated probability, at equal priors, that each row is of a fake image.

        Parameters
        ----------
        values : (n, d) float32 array
            Finite, in the order of `feature_set.names`.
        views : sequence of int, optional
            How many rows, one after another, show the same thing: the mean of their scores is its score. They sum to
            n; one each unless given.

        Returns
        -------
        (n,) or (len(views),) float64 array
            Bit for bit the same for a row whatever rows stand beside it.
        """
        if values.ndim != 2 or values.shape[1] != self.trees.width:
            raise FeatureMismatchError(f"{self.name} takes rows of {self.trees.width} values, not {values.shape}")
        scores = self.scores(values)
        if views is not None:
            starts = np.cumsum([0, *views[:-1]])
            scores = np.add.reduceat(scores, starts) / np.asarray(views, scores.dtype)
        return self.calibration.probability(scores)

    def decide(self, probability: float) -> str:
        """Name the verdict on a probability (at equal priors): `fake`, `real` or `uncertain`."""
        return self.points.decide(probability)


def resolve(model: str) -> Path:
    """Find the folder of a detector.

    Parameters
    ----------
    model : str
        The name of a detector that ships (`fast`), or the path of a bundle.

    Raises
    ------
    UnknownNameError
        A bare name that is neither.
    BundleError
        A path where there is no bundle.
    """
    shipped = {found.parent.name: found.parent for found in PRETRAINED.glob(f"*/{MANIFEST}")}
    if model in shipped:
        return shipped[model]
    path = local_folder(model)
    if path.is_dir():
        return path
    if path.name != model or path.exists():
        raise BundleError(f"no bundle at {model!r}: {'not a folder' if path.exists() else 'no such folder'}")
    raise UnknownNameError("model", model, shipped or {"the path of a bundle"})


def save(path: str | os.PathLike[str], manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
    """Write a bundle whole: into a folder beside its place, which is renamed once it is complete.

    Parameters
    ----------
    path : path
        The folder to make; a bundle that is there is replaced, anything else is left alone.
    manifest : mapping
        JSON values: everything but `format_version` and `files`, which are added.
    files : mapping
        The bytes of each of FILES, of CARD, and where there are such of NOVELTY_ONNX and NETWORK_ONNX.

    Returns
    -------
    dict
        The manifest as written.

    Raises
    ------
    OutputError
        The place is taken by something else, or cannot be written.
    """
    optional = [name for name in (NOVELTY_ONNX, NETWORK_ONNX, CARD) if name in files]
    held = {name: files[name] for name in (*FILES, *optional)}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in held.items() if name != CARD}
    written = {"format_version": FORMAT_VERSION, **manifest, "files": digests}
    text = json.dumps(written, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    replace_folder(path, {**held, MANIFEST: text.encode()}, MANIFEST)
    return written


def load(path: str | os.PathLike[str], device: str = "cpu") -> Bundle:
    """Load a detector after checking every file of it.

    Parameters
    ----------
    path : path
        Its folder.
    device : str
        Where its network computes, if it has one: as `open_network` takes it.

    Raises
    ------
    BundleError
        Absent, incomplete, damaged, or of a format this version does not read; the message names the file.
    UnknownNameError, FeatureMismatchError
        It measures a block that this version does not have, or measures differently.
    DeviceError, MissingExtraError
        As `open_network` raises them.
    """
    root = local_folder(path)
    raw, manifest = _read_manifest(root)
    contents = {name: read_checked(root / name, digest) for name, digest in manifest["files"].items()}
    try:
        feature_set = FeatureSet.from_json(manifest["feature_set"])
        calibration = Calibration.from_json(manifest["calibration"])
        points = OperatingPoints.from_json(manifest["operating_points"])
        name, names = str(manifest["name"]), tuple(manifest["feature_names"])
        start = Start.from_json(manifest["start"], names) if "start" in manifest else None
        limit = float(manifest["novelty"]["limit"]) if NOVELTY_ONNX in contents else None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"{root / MANIFEST}: malformed: {type(error).__name__}: {error}") from error
    trees = Trees(contents["booster.onnx"])
    novelty = None if limit is None else Novelty(contents[NOVELTY_ONNX], limit)
    widths = {model.width for model in (trees, novelty) if model}
    if names != feature_set.names or widths != {len(names)}:
        raise FeatureMismatchError(
            f"{root}: trained on {len(names)} features by other names or in another order than this version's"
            f" {len(feature_set.names)} of profile {feature_set.profile}"
        )
    return Bundle(
        name,
        hashlib.sha256(raw).hexdigest(),
        feature_set,
        calibration,
        points,
        trees,
        manifest,
        _open_network(root, feature_set, contents, device),
        start,
        novelty,
    )


def _open_network(root: Path, features: FeatureSet, contents: Mapping[str, bytes], device: str) -> Session | None:
    if (wanted := network_of(features)) is None:
        return None
    if NETWORK_ONNX not in contents:
        raise BundleError(f"{root / MANIFEST}: the table of files lacks {NETWORK_ONNX}")
    network = open_network(contents[NETWORK_ONNX], device)
    if network.digest != wanted:
        raise FeatureMismatchError(f"{root / NETWORK_ONNX}: not the network that its features were measured with")
    return network


def inspect(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what a bundle says of itself, its digest first, without loading or checking its files.

    Raises
    ------
    BundleError
        No readable manifest.
    """
    raw, manifest = _read_manifest(local_folder(path))
    return {"digest": hashlib.sha256(raw).hexdigest(), **manifest}


def verify(path: str | os.PathLike[str]) -> list[str]:
    """List everything that is wrong with a bundle; empty where it is whole and loads."""
    root = local_folder(path)
    try:
        _, manifest = _read_manifest(root)
    except BundleError as error:
        return [str(error)]
    problems = []
    for name, digest in manifest["files"].items():
        try:
            read_checked(root / name, digest)
        except BundleError as error:
            problems.append(str(error))
    known = {MANIFEST, CARD, *manifest["files"]}
    problems += [f"{found}: not part of the bundle" for found in sorted(root.iterdir()) if found.name not in known]
    return problems or _load_problems(root)


def _load_problems(root: Path) -> list[str]:
    try:
        load(root)
    except (BundleError, FeatureMismatchError, UnknownNameError) as error:
        return [str(error)]
    return []


def _read_manifest(root: Path) -> tuple[bytes, dict[str, Any]]:
    """Read and check the manifest's outer form: its version and the names of its files."""
    path = root / MANIFEST
    raw = read_bounded(path, _MAX_MANIFEST_BYTES)
    try:
        manifest = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: not JSON: {error}") from error
    if not isinstance(manifest, dict) or "format_version" not in manifest:
        raise BundleError(f"{path}: not the manifest of a bundle: it has no format_version")
    version = manifest["format_version"]
    if type(version) is not int or version not in _READABLE:
        raise BundleError(f"{path}: format_version {version!r} is not known; this version reads 1 to {FORMAT_VERSION}")
    _check_file_table(path, manifest.get("files"))
    return raw, manifest


def _check_file_table(path: Path, files: object) -> None:
    if not isinstance(files, dict) or len(files) > _MAX_FILES:
        raise BundleError(f"{path}: no table of files, or one of more than {_MAX_FILES}")
    for name, digest in files.items():
        if not _FILE_NAME.fullmatch(name):
            raise BundleError(f"{path}: {name!r} is not a plain file name")
        if not isinstance(digest, str):
            raise BundleError(f"{path}: the sha256 of {name} is not a string")
    for name in FILES:
        if name not in files:
            raise BundleError(f"{path}: the table of files lacks {name}")
