"""Verdicts of every kind, on images that are there."""

import hashlib
from pathlib import Path

from models.calibration import OperatingPoints
from models.verdict import ErrorRef, ModelRef, Verdict
from tests.images import jpeg, photo

__all__ = ["MODEL", "POINTS", "judged", "verdicts"]

MODEL = ModelRef("toy", "ab" * 32)
"""Who judged."""

POINTS = OperatingPoints(fake_from=0.9, real_below=0.2)
"""Where its verdicts begin."""


def judged(
    path: Path | str,
    probability: float | None,
    verdict: str | None,
    *,
    face: tuple[int, int, int, int] | None = None,
    reason: str | None = None,
    error: ErrorRef | None = None,
) -> Verdict:
    """Make a verdict on a file, with its sha256 where it exists."""
    file = Path(path)
    digest = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "cd" * 32
    return Verdict(str(path), digest, probability, verdict, reason, face, MODEL, error)


def verdicts(folder: Path) -> list[Verdict]:
    """Write seven files into a folder and give eight rows about them, of which two are on one image."""
    names = ("two faces.jpg", "b10.jpg", "b9.jpg", "<img src=x onerror=alert(1)>.jpg", "n" * 180 + ".jpg")
    for seed, name in enumerate(names, 1):
        (folder / name).write_bytes(jpeg(photo(seed, (120, 160)), quality=95))
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "cut.jpg").write_bytes(jpeg(photo(9))[:2000])
    two, fake, unsure, real, nobody = (folder / name for name in names)
    return [
        judged(two, 0.9973, "fake", face=(10, 20, 60, 60)),
        judged(two, 0.55, "uncertain", face=(100, 20, 50, 50), reason="a face of 30 pixels; a verdict needs 40"),
        judged(unsure, 0.4, "uncertain", reason="between the points for real (0.2000) and for fake (0.9000)"),
        judged(fake, 0.95, "fake"),
        judged(real, 0.01, "real"),
        judged(nobody, None, "no_face", reason="no face of 40 pixels or more was found"),
        judged(folder / "cut.jpg", None, None, error=ErrorRef("corrupt_image", "damaged or truncated JPEG")),
        judged(folder / "empty.jpg", None, None, error=ErrorRef("empty_file", "the file is empty")),
    ]
