"""Networks by others that a benchmark times beside the detectors; their weights are random: only speed counts."""

from typing import Final, NamedTuple

__all__ = ["NOTE", "REFERENCES", "Reference"]

NOTE: Final = "speed only, random weights, no verdicts"
"""What stands beside every figure of them."""


class Reference(NamedTuple):
    """A published network: the side of its square input in pixels, and where it was published."""

    size: int
    source: str


REFERENCES: Final = {
    "ResNet-50": Reference(224, "He et al. 2016, DOI 10.1109/CVPR.2016.90"),
    "Xception": Reference(299, "Chollet 2017, DOI 10.1109/CVPR.2017.195"),
    "EfficientNet-B4": Reference(380, "Tan and Le 2019, arXiv:1905.11946"),
}
"""Those that are timed, by name."""
