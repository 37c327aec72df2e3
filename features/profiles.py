"""The profiles: which blocks make up `fast` and `full`.

Importing this module registers every block, so that a feature set can be rebuilt from a bundle or a store.
"""

from features import color, dct, grid, residual, spectrum, texture
from features.errors import UnknownNameError
from features.spec import BlockSpec, FeatureSet

__all__ = ["PROFILES", "feature_set"]

PROFILES: dict[str, tuple[str, ...]] = {
    "fast": (
        "spectrum.radial",
        "spectrum.peaks",
        "dct.moments",
        "dct.benford",
        "dct.grid_phase",
        "residual.cooccurrence",
        "residual.moments",
        "residual.channels",
        "residual.npr",
        "texture.lbp",
        "texture.lbp_grid",
        "texture.glcm",
        "grid.chroma_noise",
        "grid.dct",
        "grid.color",
        "color.global",
    ),
}
"""The names of a profile's blocks, in the order of the vector."""

_FAMILIES = (spectrum, dct, residual, texture, grid, color)


def feature_set(profile: str) -> FeatureSet:
    """Build the feature set of a profile with the blocks' default parameters.

    Raises
    ------
    UnknownNameError
        Where there is no such profile.
    """
    if profile not in PROFILES:
        raise UnknownNameError("profile", profile, PROFILES)
    return FeatureSet(profile, tuple(BlockSpec.of(name) for name in PROFILES[profile]))
