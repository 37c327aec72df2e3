"""What fauxface says about one image, and its JSON form: one row of `score`."""

from dataclasses import dataclass, replace
from typing import Any, Final

from features.errors import FauxfaceError
from models.calibration import with_prior

__all__ = ["SCHEMA", "ErrorRef", "ModelRef", "Verdict"]

SCHEMA: Final = "fauxface.verdict/1"
"""Name and version of the row's form; it rises when a key changes its meaning."""


@dataclass(frozen=True, slots=True)
class ModelRef:
    """The detector that judged: its name and the digest of its bundle."""

    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class ErrorRef:
    """Why an input could not be judged: the error's code (`corrupt_image`) and its message."""

    type: str
    message: str

    @classmethod
    def of(cls, error: FauxfaceError) -> "ErrorRef":
        """Take the code and the message of an error."""
        return cls(error.code, str(error))


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one image, or of one face in it.

    Attributes
    ----------
    path, sha256 : str or None
        The input as it was named, and the digest of its bytes; None where it had none.
    probability : float or None
        Calibrated probability that the image is fake; None where it could not be measured.
    verdict : str or None
        `fake`, `real`, `uncertain` or `no_face`.
    reason : str or None
        Why a verdict was withheld, or what limits it.
    face : (x, y, w, h) or None
        The face that was judged, in pixels of the upright image; None where it was judged whole.
    model : ModelRef
        Who judged.
    error : ErrorRef or None
        Why the input failed.
    """

    path: str | None
    sha256: str | None
    probability: float | None
    verdict: str | None
    reason: str | None
    face: tuple[int, int, int, int] | None
    model: ModelRef
    error: ErrorRef | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the row as JSON values; the order of its keys is part of the form."""
        return {
            "schema": SCHEMA,
            "path": self.path,
            "sha256": self.sha256,
            "probability": self.probability,
            "verdict": self.verdict,
            "reason": self.reason,
            "face": None if self.face is None else list(self.face),
            "model": {"name": self.model.name, "digest": self.model.digest},
            "error": None if self.error is None else {"type": self.error.type, "message": self.error.message},
        }

    def moved(self, prior: float) -> "Verdict":
        """Move the probability to a world in which the share `prior` of images is fake; the verdict stays."""
        if self.probability is None:
            return self
        return replace(self, probability=with_prior(self.probability, prior))
