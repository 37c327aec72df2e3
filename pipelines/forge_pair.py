"""Forges one image: its families in turn, each written with its mask, and the original saved as they are."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np

from features.decode import Pixels
from features.errors import DatasetError, ImageError
from features.frame import load_pixels
from models.files import replace_file
from pipelines.dataset import LABELS, Sample
from pipelines.forge_geometry import alike
from pipelines.forge_parts import Forged, Forgery, Mask, Portrait, Value
from pipelines.forge_portrait import find_portrait
from pipelines.forge_saving import Saving, draw_saving

__all__ = ["Failure", "Listed", "Outcome", "Task", "forge_image", "names_of", "rng_of"]

_NO_DONOR: Final = "no donor: it takes a real face in a like pose, of another group in the same part of the split"


class Listed(NamedTuple):
    """An image of the result: the columns of its manifest.

    Attributes
    ----------
    path : str
        The image, seen from the manifest.
    label : str
        `real` or `fake`.
    group : str
        That of the original: whatever is made from it stays on its side of a split.
    kind : str
        `forged.FAMILY`; empty for an original.
    split : str
        The part of the split, which follows from the group.
    original : str
        The path of the image that was forged, as its data set names it.
    mask : str
        The mask, seen from the manifest; empty for an original.
    parameters : str
        JSON of everything that was drawn.
    """

    path: str
    label: str
    group: str
    kind: str
    split: str
    original: str
    mask: str
    parameters: str


class Failure(NamedTuple):
    """What could not be forged: an image, by one family or, where that is empty, at all; and why."""

    path: str
    family: str
    reason: str


class Outcome(NamedTuple):
    """What became of one image."""

    rows: list[Listed]
    failures: list[Failure]


@dataclass(frozen=True)
class Task:
    """One image to forge.

    Attributes
    ----------
    sample : Sample
        The original.
    name : str
        Path of its files without folder and ending.
    sha256 : str
        Of its bytes.
    seed : int
        Of all draws.
    forgeries : mapping
        The families to forge it by.
    donors : mapping
        Paths of images that may be the donor, the first choice first, for each family that takes one.
    """

    sample: Sample
    name: str
    sha256: str
    seed: int
    forgeries: Mapping[str, Forgery]
    donors: Mapping[str, tuple[str, ...]]


def rng_of(seed: int, sha256: str, purpose: str) -> np.random.Generator:
    """Give the source of the draws for one image and one purpose."""
    digest = hashlib.sha256(f"{seed} {sha256} {purpose}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def names_of(task: Task) -> list[str]:
    """Name the images of a task as its manifest does, the original first."""
    return [f"real/{task.name}.jpg", *(_fake(family, task) for family in task.forgeries)]


def forge_image(root: Path, task: Task) -> Outcome:
    """Forge one image by all families of its task and write the files below `root`.

    Raises
    ------
    OutputError
        Where a file cannot be written.
    """
    try:
        bgr = load_pixels(task.sample.path)
        found = find_portrait(bgr)
    except ImageError as error:
        return Outcome([], [_failure(task, "", error)])
    saving = draw_saving(rng_of(task.seed, task.sha256, "saving"))
    original = saving.degrade(bgr)
    target = _degraded(found, original, bool(saving.step))
    outcome = Outcome([], [])
    for family in task.forgeries:
        try:
            forged = _forge(task, family, target)
        except (DatasetError, ImageError, cv2.error) as error:
            outcome.failures.append(_failure(task, family, error))
        except Exception as error:  # a fault of ours, not of the image
            error.add_note(f"while forging {task.sample.path} by {family}")
            raise
        else:
            outcome.rows.append(_write_fake(root, task, family, _set_back(forged, original, target.place), saving))
    if outcome.rows:
        outcome.rows.insert(0, _write_real(root, task, original, saving))
    return outcome


def _degraded(found: Portrait, original: Pixels, changed: bool) -> Portrait:
    """Show a portrait as it is in the degraded picture; its landmarks are those of the picture as it was."""
    if not changed:
        return found
    x, y, width, height = found.place or (0, 0, *original.shape[1::-1])
    return replace(found, bgr=original[y : y + height, x : x + width], pristine=found.bgr)


def _forge(task: Task, family: str, target: Portrait) -> Forged:
    donor = _donor(task.donors[family], target) if family in task.donors else None
    path, portrait = donor or ("", None)
    forged = task.forgeries[family](target, portrait, rng_of(task.seed, task.sha256, family))
    return replace(forged, parameters={"donor": path, **forged.parameters}) if donor else forged


def _donor(paths: tuple[str, ...], target: Portrait) -> tuple[str, Portrait]:
    """Take the first image whose landmarks are found, in a like pose; raises DatasetError where none of them serves."""
    for path in paths:
        try:
            portrait = find_portrait(load_pixels(path))
        except ImageError:
            continue
        if portrait.points is not None and (target.points is None or alike(portrait.points, target.points)):
            return path, portrait
    raise DatasetError(_NO_DONOR)


def _set_back(forged: Forged, original: Pixels, place: tuple[int, int, int, int] | None) -> Forged:
    """Set a forged portrait back into the picture that it was cut from."""
    if place is None:
        return forged
    x, y, width, height = place
    bgr, mask = original.copy(), np.zeros(original.shape[:2], np.float32)
    bgr[y : y + height, x : x + width] = forged.bgr
    mask[y : y + height, x : x + width] = forged.mask
    return replace(forged, bgr=bgr, mask=mask)


def _fake(family: str, task: Task) -> str:
    return f"fake/{family}/{task.name}.jpg"


def _write_fake(root: Path, task: Task, family: str, forged: Forged, saving: Saving) -> Listed:
    path, mask = _fake(family, task), f"mask/{family}/{task.name}.png"
    replace_file(root / mask, _png(forged.mask))
    replace_file(root / path, saving.encode(forged.bgr))
    return _listed(task, path, family, mask, {**saving.to_json(), **forged.parameters})


def _write_real(root: Path, task: Task, original: Pixels, saving: Saving) -> Listed:
    path = f"real/{task.name}.jpg"
    replace_file(root / path, saving.encode(original))
    return _listed(task, path, "", "", saving.to_json())


def _listed(task: Task, path: str, family: str, mask: str, parameters: Mapping[str, Value]) -> Listed:
    sample, kind = task.sample, f"forged.{family}" if family else ""
    drawn = json.dumps(dict(_short(parameters)), sort_keys=True)
    return Listed(path, LABELS[bool(family)], sample.group, kind, sample.split, sample.path, mask, drawn)


def _short(parameters: Mapping[str, Value]) -> Iterator[tuple[str, Value]]:
    """Round what is not whole to six digits behind the point."""
    for name, value in parameters.items():
        if isinstance(value, list):
            yield name, [round(float(one), 6) for one in value]
        else:
            yield name, round(float(value), 6) if isinstance(value, float) else value


def _png(mask: Mask) -> bytes:
    _, encoded = cv2.imencode(".png", np.rint(mask * 255).astype(np.uint8))
    return encoded.tobytes()


def _failure(task: Task, family: str, error: Exception) -> Failure:
    code = error.code if isinstance(error, DatasetError | ImageError) else "opencv"
    return Failure(task.sample.path, family, f"{code}: {error}")
