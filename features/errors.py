"""Every exception that fauxface raises on purpose.

FauxfaceError                 whatever is caught at the command line
├── ImageError                one input; the batch goes on and its row carries the error
│   ├── UnreadableFileError   missing, a folder, no permission, not a member of its archive
│   ├── EmptyFileError        zero bytes
│   ├── NotAnImageError       no known image signature
│   ├── UnsupportedImageError an image, in a format or sample type that is not measured
│   ├── CorruptImageError     truncated or damaged data
│   ├── ImageTooLargeError    more pixels than the limit, by its header
│   ├── ImageTooSmallError    a side shorter than 32 pixels
│   ├── NoFaceError           no face in it, where one was to be measured
│   └── VideoError            a clip of which no frame can be had
├── UnknownNameError          a block, profile, model or column that does not exist
├── DatasetError              a data set that cannot be read, or cannot be trained on
├── StoreError                a feature store that is damaged or of another kind
├── FeatureMismatchError      features of two definitions; names the block that differs
├── BundleError               a detector on disk that is damaged or of another format
├── OutputError               a result that cannot be written (full disk, no permission)
├── ServerError               the server cannot listen where it was asked to
├── WorkerError               a worker process died (most often: out of memory)
├── DeviceError               an accelerator that is not there
└── MissingExtraError         an optional dependency; says what to install
"""

import difflib
import re
from collections.abc import Callable, Iterable

__all__ = [
    "BundleError",
    "CorruptImageError",
    "DatasetError",
    "DeviceError",
    "EmptyFileError",
    "FauxfaceError",
    "FeatureMismatchError",
    "ImageError",
    "ImageTooLargeError",
    "ImageTooSmallError",
    "MissingExtraError",
    "NoFaceError",
    "NotAnImageError",
    "OutputError",
    "ServerError",
    "StoreError",
    "UnknownNameError",
    "UnreadableFileError",
    "UnsupportedImageError",
    "VideoError",
    "WorkerError",
    "reason_of",
]


class FauxfaceError(Exception):
    """The root of all errors that have a message for the user.

    `code` is the class in snake case without its ending (`corrupt_image`); rows and manifests carry it.
    """

    code = "fauxface"

    def __init_subclass__(cls) -> None:
        stem = cls.__name__.removesuffix("Error")
        cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", stem).lower()

    def __reduce__(self) -> tuple[Callable[..., "FauxfaceError"], tuple[object, ...]]:
        """Rebuild from the finished message, so that every kind can come home from a worker process."""
        return type(self).__new__, (type(self), *self.args)


class ImageError(FauxfaceError):
    """One input cannot be measured; the message names the cause, the row names the file."""


class UnreadableFileError(ImageError):
    """The bytes of an input cannot be had."""


class EmptyFileError(ImageError):
    """The input holds no bytes."""


class NotAnImageError(ImageError):
    """The bytes begin like no known image format."""


class UnsupportedImageError(ImageError):
    """The bytes are an image in a format or sample type that fauxface does not measure."""


class CorruptImageError(ImageError):
    """The image data end too early or do not decode."""


class ImageTooLargeError(ImageError):
    """The header announces more pixels than the limit allows."""


class ImageTooSmallError(ImageError):
    """A side of the image is shorter than the least that can be measured."""


class NoFaceError(ImageError):
    """No face was found in an image of which one was to be measured."""


class VideoError(ImageError):
    """A clip of which no frame can be had, or whose frames are too large."""


class UnknownNameError(FauxfaceError):
    """A name that is not among the known ones; the message offers the nearest."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        """Build the message `no KIND 'NAME'; did you mean 'OTHER'?`, or list all known names."""
        options = sorted(known)
        close = difflib.get_close_matches(name, options, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(options)}"
        super().__init__(f"no {kind} {name!r}; {hint}")


class DatasetError(FauxfaceError):
    """A data set cannot be read, or is not fit for what was asked."""


class StoreError(FauxfaceError):
    """A feature store is damaged, absent, or of another kind."""


class FeatureMismatchError(FauxfaceError):
    """Features were measured by another definition than the one expected."""


class BundleError(FauxfaceError):
    """A detector on disk is damaged, absent, or of an unknown format."""


class OutputError(FauxfaceError):
    """A result cannot be written."""


class ServerError(FauxfaceError):
    """The server cannot listen where it was asked to, or may not."""


class WorkerError(FauxfaceError):
    """A worker process died before its work was done."""


class DeviceError(FauxfaceError):
    """The device that was asked for is not there."""


class MissingExtraError(FauxfaceError):
    """An optional dependency is absent."""

    def __init__(self, package: str, extra: str) -> None:
        """Build the message from the missing `package` and the `extra` that brings it."""
        super().__init__(f"{package} is not installed; install it with: pip install 'fauxface[{extra}]'")


def reason_of(error: OSError) -> str:
    """Say in lower case what the system had against it, without its number and path."""
    return (error.strerror or str(error)).lower()
