"""An explanation as one picture: the face, its evidence map, what was measured, and what counted, in words."""

import textwrap
from collections.abc import Sequence
from functools import cache
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from features.decode import Pixels
from features.frame import WORKING_SIZE
from features.geometry import apply
from pipelines.explain_map import lay_on, paint, smooth, to_picture
from pipelines.explain_panels import Picture, panels
from pipelines.explain_record import Explained
from pipelines.page import plain

__all__ = ["FULL_TINT", "encode", "headline", "pictures", "sheet"]

FULL_TINT: Final = 0.1
"""The least evidence, in log odds a cell of 28x28 pixels, that gets the full tint: weak evidence looks weak."""

_WIDTH: Final = 1120
_MARGIN: Final = 24
_LONGER: Final = 640  # pixels of the whole picture as it is shown
_LINE: Final = 26
_INK, _SOFT, _PAPER = (26, 26, 26), (90, 90, 90), (255, 255, 255)
_COLOURS: Final = {"fake": (184, 67, 0), "real": (11, 98, 164)}
_SENTENCES: Final = 8
_CHARACTERS: Final = 118  # of a line


def pictures(explained: Explained) -> list[Picture]:
    """Draw what was measured: the frame, the evidence on it and on the picture it was cut from, and the planes."""
    heat = smooth(explained.map)
    strongest = max(float(np.abs(heat).max()), FULL_TINT / 28**2)
    frame = explained.frame.bgr
    found = [
        Picture("Measured", f"The face as it was measured, {WORKING_SIZE} by {WORKING_SIZE} pixels.", frame),
        Picture("Evidence map", _map_text(explained, strongest), paint(frame, heat, strongest)),
    ]
    if explained.framed and explained.framed.square:
        found.append(_in_place(explained, heat, strongest))
    return found + panels(explained.frame)


def _map_text(explained: Explained, strongest: float) -> str:
    down, across = np.unravel_index(int(np.abs(explained.map).argmax()), explained.map.shape)
    return (
        f"Orange speaks for fake, blue for real; the full tint is {strongest * 28**2:.2f} log odds in a square of 28"
        f" pixels. {explained.placed:.0%} of the evidence has a place and is shown; the rest was measured of the whole"
        f" picture. The strongest spot lies {_share(int(across))} from the left and {_share(int(down))} from the top."
    )


def _share(at: int) -> str:
    return f"{(at + 0.5) / 56:.0%}"


def _in_place(explained: Explained, heat: npt.NDArray[np.float64], most: float) -> Picture:
    """Draw the evidence on the whole picture, made small."""
    height, width = explained.picture.shape[:2]
    scale = min(1.0, _LONGER / max(height, width))
    small_height, small_width = (max(1, round(length * scale)) for length in (height, width))
    small = np.asarray(
        cv2.resize(explained.picture, (small_width, small_height), interpolation=cv2.INTER_AREA), np.uint8
    )
    move = to_picture(explained.framed, height, width)
    move = np.array([[small_width / width], [small_height / height]], np.float32) * move
    made = paint(small, lay_on(heat, move, small_height, small_width), most)
    corners = apply(move, np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * np.float32(WORKING_SIZE))
    for colour, width in (((255, 255, 255), 3), ((0, 0, 0), 1)):
        cv2.polylines(made, [np.rint(corners).astype(np.int32)], True, colour, width)
    return Picture("In the picture", "The same evidence where the face lies in the picture, in its frame.", made)


def headline(explained: Explained) -> str:
    """Say the verdict and how it came about, in one line."""
    verdict, found = explained.verdict, explained.contributions
    return (
        f"{verdict.verdict}: probability {verdict.probability:.3f} that it is fake; score {found.score:+.2f}"
        f" = {found.base:+.2f} to begin with and {found.score - found.base:+.2f} from what was measured"
    )


def encode(bgr: Pixels) -> bytes:
    """Encode (H, W, 3) BGR as PNG."""
    return bytes(cv2.imencode(".png", bgr)[1])


def sheet(faces: Sequence[Explained]) -> bytes:
    """Draw all faces of an image below each other, as PNG."""
    drawn = [_draw(face, f"face {number} of {len(faces)}") for number, face in enumerate(faces, 1)]
    whole = Image.new("RGB", (_WIDTH, sum(one.height for one in drawn)), _PAPER)
    top = 0
    for one in drawn:
        whole.paste(one, (0, top))
        top += one.height
    return encode(np.asarray(whole)[..., ::-1])


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _draw(explained: Explained, which: str) -> Image.Image:
    """Draw one face: two rows of pictures, bars beside the first, sentences below."""
    first, second = _split(pictures(explained))
    side = (_WIDTH - 5 * _MARGIN) // 4
    said = _sentences(explained)
    bars = len(explained.families) * _LINE + 2 * _LINE
    tall = max(side + 2 * _LINE, bars)
    page = Image.new("RGB", (_WIDTH, 4 * _LINE + tall + side + 3 * _LINE + (len(said) + 2) * _LINE), _PAPER)
    draw = ImageDraw.Draw(page)
    name = plain(explained.verdict.path or "image")
    draw.text((_MARGIN, _LINE // 2), f"{_short(name)} - {which}", _INK, _font(20))
    draw.text(
        (_MARGIN, 3 * _LINE // 2), headline(explained), _COLOURS.get(str(explained.verdict.verdict), _INK), _font(17)
    )
    top = 3 * _LINE
    _row(page, draw, first, top, side)
    _bars(draw, explained, (_MARGIN + len(first) * (side + _MARGIN), top))
    top += tall
    _row(page, draw, second, top, side)
    top += side + 2 * _LINE
    draw.text((_MARGIN, top), _tint(explained), _SOFT, _font(15))
    for number, line in enumerate(said, 1):
        draw.text((_MARGIN, top + (number + 0.4) * _LINE), line, _INK, _font(16))
    return page


def _split(found: Sequence[Picture]) -> tuple[Sequence[Picture], Sequence[Picture]]:
    """Set what shows the face apart from the four planes."""
    return found[:-4], found[-4:]


def _short(name: str) -> str:
    return name if len(name) <= 80 else f"...{name[-77:]}"


def _tint(explained: Explained) -> str:
    return (
        f"Orange speaks for fake, blue for real. {explained.placed:.0%} of the evidence has a place and is on the map;"
        " the rest was measured of the whole picture."
    )


def _sentences(explained: Explained) -> list[str]:
    said = [f"{reason.contribution:+.3f}  {reason.sentence}" for reason in explained.reasons[:_SENTENCES]]
    return [line for one in said for line in textwrap.wrap(one, _CHARACTERS, subsequent_indent=" " * 12)]


def _row(page: Image.Image, draw: ImageDraw.ImageDraw, found: Sequence[Picture], top: int, side: int) -> None:
    for number, picture in enumerate(found):
        left = _MARGIN + number * (side + _MARGIN)
        draw.text((left, top), picture.title, _INK, _font(17))
        image = Image.fromarray(np.ascontiguousarray(picture.bgr[..., ::-1]))
        scale = side / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        page.paste(image.resize(size, Image.Resampling.LANCZOS), (left, top + _LINE))


def _bars(draw: ImageDraw.ImageDraw, explained: Explained, corner: tuple[int, int]) -> None:
    """Draw what each family contributes, to the left for real and to the right for fake."""
    left, top = corner
    draw.text((left, top), "By family, log odds", _INK, _font(17))
    room = (_WIDTH - _MARGIN - left - 145) // 2
    longest = max((abs(share.total) for share in explained.families.values()), default=0.0) or 1.0
    middle = left + 90 + room
    for number, (name, share) in enumerate(explained.families.items(), 1):
        level = top + number * _LINE + 6
        length = round(abs(share.total) / longest * room)
        side = "fake" if share.total > 0 else "real"
        ends = (middle, middle + length) if share.total > 0 else (middle - length, middle)
        draw.text((left, level - 4), name, _INK, _font(15))
        draw.rectangle((ends[0], level, ends[1], level + 12), fill=_COLOURS[side])
        draw.text((_WIDTH - _MARGIN - 52, level - 4), f"{share.total:+.2f}", _INK, _font(15))
    draw.line((middle, top + _LINE, middle, top + _LINE * (len(explained.families) + 1)), _SOFT)
