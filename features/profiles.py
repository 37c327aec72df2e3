"""The profiles: which blocks make up `fast` and `full`, which adds what a network sees.

Importing this module registers every block, so that a feature set can be rebuilt from a bundle or a store.
"""

from collections.abc import Mapping
from typing import Any, Final

from features import color, dct, embedding, grid, residual, spectrum, texture
from features.errors import BundleError, UnknownNameError
from features.spec import BlockSpec, FeatureSet, blocks

__all__ = ["PROFILES", "feature_set", "forensic"]

_FAST: Final = (
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
)

PROFILES: dict[str, tuple[str, ...]] = {"fast": _FAST, "full": (*_FAST, "embedding.stages", "embedding.logit")}
"""The names of a profile's blocks, in the order of the vector."""

_FAMILIES = (spectrum, dct, residual, texture, grid, color, embedding)


def feature_set(profile: str, network: Mapping[str, Any] | None = None) -> FeatureSet:
    """Build the feature set of a profile with the blocks' default parameters.

    Parameters
    ----------
    profile : str
        One of PROFILES.
    network : mapping, optional
        The parameters of the blocks that measure with a network, as `embedding.network_params` gives them.

    Raises
    ------
    UnknownNameError
        Where there is no such profile.
    BundleError
        It measures with a network, and none was given.
    """
    if profile not in PROFILES:
        raise UnknownNameError("profile", profile, PROFILES)
    known = blocks()
    batched = {name for name in PROFILES[profile] if known[name].batched}
    if batched and network is None:
        raise BundleError(f"profile {profile} measures with a network, and none was given")
    own = [BlockSpec.of(name, **(network or {} if name in batched else {})) for name in PROFILES[profile]]
    return FeatureSet(profile, tuple(own))


def forensic(whole: FeatureSet) -> FeatureSet:
    """Leave out of a feature set what a network measures; the set itself where there is nothing of the kind."""
    own = tuple(spec for spec in whole.blocks if not spec.batched)
    return whole if len(own) == len(whole.blocks) else FeatureSet("fast", own)
