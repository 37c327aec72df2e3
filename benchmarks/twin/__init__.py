"""The forensic features a second time, by an independent and slow route: scikit-image, scipy, numpy.

It is the oracle of the tests and the reference of the speed benchmark. No formula is imported from the project and
nothing goes through OpenCV: the full complex FFT of scipy, `dctn` on all blocks, `ndimage` filters, `graycomatrix`,
`local_binary_pattern` (on two circles, of radius 1 and the root of 2, whose samples fall on pixels; one circle of eight
would interpolate the corners), histograms of whole tuples, cells by slicing; all in float64. Planes follow ITU-R BT.601
in the 14-bit fixed point that OpenCV documents, and the pyramid averages four pixels and rounds half up, since both
become 8-bit before anything else is measured. What several blocks need is computed once here too. The names are spelled
here as well, so that a value under a wrong name shows.

    from benchmarks.twin import twin
    values = twin(rgb)  # (224, 224, 3) uint8 -> {"spectrum.radial.y.ring.k000": ..., ...}
"""

from collections.abc import Iterable
from typing import Final

from benchmarks.twin import frequency, place, residual
from benchmarks.twin.picture import Bytes, Picture

__all__ = ["TWINS", "Picture", "twin"]

TWINS: Final = frequency.TWINS | residual.TWINS | place.TWINS
"""The second computation of every block that is code alone, by the block's name."""


def twin(rgb: Bytes, blocks: Iterable[str] = TWINS) -> dict[str, float]:
    """Measure blocks by the slow route.

    Parameters
    ----------
    rgb : (224, 224, 3) uint8 array
        Decoded pixels at the working size.
    blocks : iterable of str
        Their names; all unless given.

    Returns
    -------
    dict of float
        By the full names of the features.
    """
    picture = Picture(rgb)
    values = ((name, TWINS[name].names, TWINS[name].compute(picture)) for name in blocks)
    return {f"{name}.{value}": float(x) for name, names, xs in values for value, x in zip(names, xs, strict=True)}
