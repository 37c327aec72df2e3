"""Finds every face in a picture: where it is, how large, how it is tilted, and where its features lie.

BlazeFace (Bazarevsky et al. 2019, arXiv:1907.05047) looks at the picture on a pyramid of sizes, in tiles where it is
large, and proposes faces. Each is then looked at once more, at one size on a plain ground, so that a face gets the
same box whatever surrounds it: the framing depends on that.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from features.decode import Pixels
from features.errors import BundleError
from features.geometry import Move, Points, apply, inverse, on_ground, scaled, to_patch, warp
from features.runtime import open_model

__all__ = ["KEYPOINTS", "PRESENCE", "SURE", "TRUSTED", "UPRIGHT", "WEIGHTS", "Face", "find_faces", "landmarks"]

KEYPOINTS: Final = ("right eye", "left eye", "nose", "mouth", "right ear", "left ear")
"""The keypoints of a face in order; right and left are the person's."""

PRESENCE: Final = 0.55
"""The least confidence that makes a face; from `SURE` on alone, below it where the landmarks' network agrees."""

SURE: Final = 0.85
"""The confidence that needs no second opinion; heads on coins stay below it."""

WEIGHTS: Final = {
    "blazeface.onnx": "fce58616fc473653ca5d4632adeb3d7145542878c9d479c4c4eef80dfdb24241",
    "face_landmark.tflite": "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
}
"""The networks in `weights` and their sha256; the folder's README says where they come from."""

TRUSTED: Final = 3.0
"""The logit of presence above which landmarks can be trusted."""

UPRIGHT: Final = 25.0
"""Degrees of tilt up to which a face counts as upright; 99.7 % of the training crops tilt less."""

_PROPOSED = 0.35  # confidence that earns a second look
_LEAN = 0.4  # pixels by which the network places every face too far right: it and its mirror image differ by 0.8
_OVERLAP = 0.3  # intersection over union above which two boxes are one face
_MIDDLE = 0.45  # of the larger box's side about its centre
_FINEST = 0.5  # scale of the finest level: faces of 40 pixels show at 20, fewer the network can hardly see
_LEAST = 30  # pixels of a face; the network sees faces in smaller specks
_STEP = 6.0  # between two levels at most; in each, faces of 22 to 120 pixels are seen
_WHOLE, _GROUND = 112, 144  # longer side of the picture at the coarsest level, and side of the ground it lies on
_FIELD = 128  # side of the square that the network was trained on, and of the second look
_TILE = 512  # most pixels a side that the network is given at once: memory stays bounded
_SEAM = 48  # pixels by which tiles overlap; what is larger is found at a coarser level
_FILL = 0.6  # share of the field that a face takes at the second look
_MESH_FIELD = 192  # side of the square that the landmarks' network takes
_MESH_WIDTH = 1.5  # what it should show, in sides of a face
_FOLDER = Path(__file__).parent / "weights"


@dataclass(frozen=True, eq=False)
class Face:
    """A face in a picture.

    Attributes
    ----------
    center : (2,) float32 array
        Centre of its box as x, y in pixels of the picture.
    size : float
        Side of its box in pixels; the box is square and upright to the face.
    keypoints : (6, 2) float32 array
        x, y of `KEYPOINTS` in pixels of the picture.
    presence : float
        Confidence of the detector that it is one, 0 to 1.
    """

    center: Points
    size: float
    keypoints: Points
    presence: float

    @cached_property
    def roll(self) -> float:
        """Tilt in degrees, -180 to 180: 0 upright, positive where it is turned clockwise."""
        across = self.keypoints[1] - self.keypoints[0]
        return math.degrees(math.atan2(float(across[1]), float(across[0])))

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, width and height in pixels; may reach beyond the picture."""
        x, y = (float(value) - self.size / 2 for value in self.center)
        return x, y, self.size, self.size

    @property
    def tilt(self) -> float:
        """The roll to undo, in degrees.

        A face within `UPRIGHT` degrees of a quarter turn is turned by quarters, which resamples nothing.
        """
        quarters = round(self.roll / 90) * 90.0
        return quarters if abs(self.roll - quarters) <= UPRIGHT else self.roll


def find_faces(bgr: Pixels) -> list[Face]:
    """Find every face of 40 and more pixels, the largest first.

    Where no upright face is beyond doubt, large ones that lie on a side or upside down are looked for too.

    Parameters
    ----------
    bgr : (H, W, 3) uint8 array
        The picture.
    """
    faces = [face for face in _seen_again(bgr, _search(bgr)) if _is_face(bgr, face)]
    if all(face.presence < SURE for face in faces):
        faces += [face for face in _seen_again(bgr, _search_turned(bgr)) if face.presence >= SURE]
    return sorted(_distinct(faces), key=lambda face: -face.size)


def landmarks(bgr: Pixels, face: Face) -> tuple[Points, float]:
    """Place the 468 points of MediaPipe's face mesh (Kartynnik et al. 2019, arXiv:1907.06724) on a face.

    Returns
    -------
    (468, 2) float32 array
        x, y in pixels of the picture.
    float
        Logit of the presence of a face; above `TRUSTED` the points can be.
    """
    move = to_patch(face.center, _MESH_WIDTH * face.size, face.roll, _MESH_FIELD)
    network = _mesh_network()
    network.setInput(cv2.dnn.blobFromImage(warp(bgr, move, _MESH_FIELD), 1 / 255, swapRB=True))
    presence, points = network.forward(["conv2d_30", "conv2d_20"])
    return apply(inverse(move), points.reshape(-1, 3)[:, :2]), float(np.ravel(presence)[0])


def _is_face(bgr: Pixels, face: Face) -> bool:
    if face.size < _LEAST or face.presence < PRESENCE:
        return False
    return face.presence >= SURE or landmarks(bgr, face)[1] > TRUSTED


def _seen_again(bgr: Pixels, proposed: Sequence[Face]) -> list[Face]:
    """Look at each proposed face once more; each face once."""
    return _distinct([_look_again(bgr, face) for face in _distinct(proposed)])


def _search(bgr: Pixels) -> list[Face]:
    """Propose the upright faces of a picture, several times each."""
    return [face for level, move in _pyramid(bgr) for face in _propose(level, move)]


def _search_turned(bgr: Pixels) -> list[Face]:
    """Propose faces that lie on a side or upside down and take up a fifth of the picture or more."""
    small = scaled(bgr, min(1.0, _WHOLE / _FINEST / max(bgr.shape[:2])))
    center, longer = np.array(bgr.shape[1::-1], np.float32) / np.float32(2), max(bgr.shape[:2])
    found = []
    for quarters in (1, 2, 3):
        turned = np.ascontiguousarray(np.rot90(small, quarters))
        back = inverse(to_patch(center, longer, 90.0 * quarters, max(small.shape[:2])))
        back[:, 2] += back[:, :2] @ ((max(small.shape[:2]) - np.array(turned.shape[1::-1])) / 2)
        found += [_moved(face, back) for face in _search(turned)]
    return found


def _pyramid(bgr: Pixels) -> Iterator[tuple[Pixels, Move]]:
    """Lay out the sizes at which a picture is looked at, and the move from each back to the picture.

    The finest comes first, the whole picture in the middle of a field last.
    """
    coarse = _WHOLE / max(bgr.shape[:2])
    steps = max(0, math.ceil(math.log(_FINEST / coarse, _STEP)))
    reached = 1.0
    for step in range(steps):
        scale = _FINEST * (coarse / _FINEST) ** (step / steps)
        bgr, reached = scaled(bgr, scale / reached), scale
        yield bgr, _magnified(1 / scale)
    small = scaled(bgr, coarse / reached)
    left, top = ((_GROUND - length) // 2 for length in small.shape[1::-1])
    yield on_ground(small, left, top, _GROUND, _GROUND), _magnified(1 / coarse, -left, -top)


def _magnified(scale: float, left: int = 0, top: int = 0) -> Move:
    """Give the move from a tile that begins at (left, top) of a level to the picture."""
    return np.array([[scale, 0, left * scale], [0, scale, top * scale]], np.float32)


def _propose(level: Pixels, move: Move) -> Iterator[Face]:
    """Propose the faces of one level, tile by tile, in the coordinates of the picture."""
    height, width = level.shape[:2]
    for top in range(0, max(1, height - _SEAM), _TILE - _SEAM):
        for left in range(0, max(1, width - _SEAM), _TILE - _SEAM):
            shift = np.column_stack([np.zeros((2, 2)), move[:, :2] @ (left, top)]).astype(np.float32)
            tile = level[top : top + _TILE, left : left + _TILE]
            yield from (_moved(face, move + shift) for face in _same(*_detect(tile)))


def _look_again(bgr: Pixels, face: Face) -> Face:
    """Look at a proposed face closely, and once more where its tilt was misjudged: its box would be too."""
    seen = _look(bgr, face)
    return _look(bgr, seen) if abs(seen.roll - face.roll) > UPRIGHT and seen.presence >= PRESENCE else seen


def _look(bgr: Pixels, face: Face) -> Face:
    """Look at a face at one size on a plain ground: what is seen in the middle of it counts."""
    roll = face.roll if abs(face.roll) > UPRIGHT else 0.0
    move = to_patch(face.center, face.size / _FILL, roll, _FIELD)
    presence, points = _detect(warp(bgr, move, _FIELD))
    middle = np.abs(points[:, 0] - _FIELD / 2).max(axis=1) < _FIELD * _FILL / 2
    seen = next(_same(presence[middle], points[middle]), None)
    return _moved(seen, inverse(move)) if seen else replace(face, presence=0.0)


def _moved(face: Face, move: Move) -> Face:
    """Bring a face into other coordinates."""
    size = face.size * math.hypot(*move[:, 0])
    return Face(apply(move, face.center), size, apply(move, face.keypoints), face.presence)


def _distinct(faces: Sequence[Face]) -> list[Face]:
    """Keep the most confident of faces that overlap, or of which one lies in the middle of the other."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.presence):
        if not any(_is_same(face, other) for other in kept):
            kept.append(face)
    return kept


def _is_same(face: Face, other: Face) -> bool:
    if np.abs(face.center - other.center).max() < _MIDDLE * max(face.size, other.size):
        return True
    return bool(_overlaps(face.center, face.size, other.center[None], np.array([other.size]))[0] > _OVERLAP)


def _same(presence: Points, points: Points) -> Iterator[Face]:
    """Unite the anchors that see the same face, the most confident face first: their mean, weighted by confidence."""
    order = np.argsort(-presence, kind="stable")
    while len(order):
        centers, sizes = points[order, 0], points[order, 1].max(axis=1)
        one = _overlaps(centers[0], sizes[0], centers, sizes) > _OVERLAP
        one[0] = True
        weights = presence[order][one]
        mean = np.tensordot(weights / weights.sum(), points[order][one], axes=1)
        yield Face(mean[0], float(mean[1].max()), mean[2:], float(weights[0]))
        order = order[~one]


def _overlaps(center: Points, size: float, centers: Points, sizes: Points) -> Points:
    """Intersection over union of a box with each of others, (n,)."""
    apart = np.maximum(np.abs(centers - center), np.abs(sizes - size)[:, None] / 2)
    shared = np.clip((sizes + size)[:, None] / 2 - apart, 0, None).prod(axis=1)
    return np.asarray(shared / (sizes**2 + size**2 - shared))


def _detect(bgr: Pixels) -> tuple[Points, Points]:
    """Run BlazeFace on pixels of any size.

    Returns
    -------
    (n,) float32 array
        Confidences of all anchors that may see a face.
    (n, 8, 2) float32 array
        Centre, size and six keypoints of each, x and y in pixels.
    """
    height, width = (-(-length // 16) * 16 for length in bgr.shape[:2])
    if (height, width) != bgr.shape[:2]:
        bgr = on_ground(bgr, 0, 0, width, height)
    image = cv2.dnn.blobFromImage(bgr, 1 / 127.5, mean=(127.5,) * 3, swapRB=True)
    fine, fine_points, coarse, coarse_points = (found[0] for found in _face_network().run(None, {"image": image}))
    found = [_decode(fine, fine_points, stride=8), _decode(coarse, coarse_points, stride=16)]
    presence, points = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return presence, points


def _decode(logits: Points, points: Points, stride: int) -> tuple[Points, Points]:
    """Take the anchors of one map that are confident enough; points are given relative to their anchor's centre."""
    anchor, y, x = np.nonzero(logits > math.log(_PROPOSED / (1 - _PROPOSED)))
    taken = points.reshape(len(logits), 8, 2, *logits.shape[1:])[anchor, :, :, y, x]
    center = (np.stack([x, y], axis=1) + np.float32(0.5)) * np.float32(stride) - np.array([_LEAN, 0], np.float32)
    taken[:, 0] += center
    taken[:, 2:] += center[:, None]
    presence = 1 / (1 + np.exp(-logits[anchor, y, x], dtype=np.float32))
    return presence.astype(np.float32), taken


@cache
def _face_network() -> Any:
    return open_model(_weights("blazeface.onnx"), "blazeface.onnx")


@cache
def _mesh_network() -> Any:
    return cv2.dnn.readNetFromTFLite(np.frombuffer(_weights("face_landmark.tflite"), np.uint8))


def _weights(name: str) -> bytes:
    """Read a network that ships here and check that it is the one."""
    data = (_FOLDER / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != WEIGHTS[name]:
        raise BundleError(f"{_FOLDER / name}: damaged: its sha256 is not the one expected; install fauxface again")
    return data
