"""The profiles: which blocks make up `fast` and `full`, which adds what a network sees.

Importing this module registers every block, so that a feature set can be rebuilt from a bundle or a store.
"""

from collections.abc import Mapping
from typing import Any, Final

from features import color, dct, embedding, grid, residual, spectrum, texture
from features.errors import BundleError, UnknownNameError
from features.spec import BlockSpec, FeatureSet, blocks

__all__ = ["PROFILES", "RETIRED", "feature_set", "forensic"]

_FAST: Final = (
    "spectrum.radial",
    "dct.moments",
    "dct.benford",
    "residual.cooccurrence",
    "residual.moments",
    "texture.lbp",
    "texture.lbp_grid",
    "grid.chroma_noise",
    "grid.dct",
    "grid.color",
    "color.global",
)

PROFILES: dict[str, tuple[str, ...]] = {"fast": _FAST, "full": (*_FAST, "embedding.stages", "embedding.logit")}
"""The names of a profile's blocks, in the order of the vector."""

RETIRED: Final = ("spectrum.peaks", "dct.grid_phase", "residual.channels", "residual.npr", "texture.glcm")
"""Blocks that cost time and gave nothing that the others don't; detectors trained earlier measure with them."""

_MAP: Final = "embedding.map"
_FAMILIES = (spectrum, dct, residual, texture, grid, color, embedding)


def feature_set(profile: str, network: Mapping[str, Any] | None = None) -> FeatureSet:
    """Build the feature set of a profile with the blocks' default parameters.

    Parameters
    ----------
    profile : str
        One of PROFILES.
    network : mapping, optional
        The parameters of the blocks that measure with a network, as `embedding.network_params` gives them; a located
        one is asked for its map too.

    Raises
    ------
    UnknownNameError
        Where there is no such profile.
    BundleError
        It measures with a network, and none was given.
    """
    if profile not in PROFILES:
        raise UnknownNameError("profile", profile, PROFILES)
    known, params = blocks(), dict(network or {})
    batched = any(known[name].batched for name in PROFILES[profile])
    if batched and network is None:
        raise BundleError(f"profile {profile} measures with a network, and none was given")
    names = (*PROFILES[profile], *([_MAP] if batched and params.get("located") else []))
    own = [BlockSpec.of(name, **(params if known[name].batched else {})) for name in names]
    return FeatureSet(profile, tuple(own))


def forensic(whole: FeatureSet) -> FeatureSet:
    """Leave out of a feature set what a network measures; the set itself where there is nothing of the kind."""
    own = tuple(spec for spec in whole.blocks if not spec.batched)
    return whole if len(own) == len(whole.blocks) else FeatureSet("fast", own)
