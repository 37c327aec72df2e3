"""What is measured: blocks with names and versions, feature sets with a digest.

A block is a pure function of a frame, registered once under a name such as `dct.moments`; a batched block measures
several frames at once with a network. A feature set is an ordered choice of blocks with their parameters; its digest
changes whenever one bit of a vector might.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from features.errors import FeatureMismatchError, UnknownNameError
from features.frame import FRAME_POLICY, Frame

__all__ = ["Block", "BlockSpec", "FeatureSet", "Params", "Session", "Values", "block", "blocks"]

Params = Mapping[str, Any]
Values = npt.NDArray[np.float32]
Compute = Callable[..., Values]
_C = TypeVar("_C", bound=Compute)

_NAME: Final = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")
_REGISTRY: dict[str, "Block"] = {}


class Session(Protocol):
    """A network at work, which batched blocks measure with."""

    @property
    def digest(self) -> str:
        """Sha256 in hex of the network."""
        ...

    @property
    def batch(self) -> int:
        """How many frames it computes at once; any number may be given."""
        ...

    def run(self, frames: tuple[Frame, ...]) -> Mapping[str, Values]:
        """Give what the network computes of k frames: float32 with k rows, by the name of the output."""
        ...


@dataclass(frozen=True, eq=False)
class Block:
    """One registered measurement: its name, its version, how it names its values and how it computes them.

    `compute` takes (frame, params) to (n,) float32, or where it is `batched` (frames, params, session) to (k, n).
    """

    name: str
    version: int
    value_names: Callable[[Params], Sequence[str]]
    compute: Compute
    defaults: Params
    batched: bool = False
    optional: frozenset[str] = frozenset()


def block(
    name: str,
    *,
    version: int,
    names: Callable[[Params], Sequence[str]],
    batched: bool = False,
    optional: Sequence[str] = (),
    **defaults: Any,
) -> Callable[[_C], _C]:
    """Register the function below as the block `name`.

    Parameters
    ----------
    name : str
        `family.block`, lower case.
    version : int
        Rises whenever one bit of the output may change.
    names : callable
        Parameters to the value names after `name`, such as `mean.r3c5`.
    batched : bool
        Whether it measures several frames at once, with a session.
    optional : sequence of str
        Parameters that are absent, from the digest too, unless they are set.
    **defaults
        The block's parameters, JSON values; what a profile does not set.

    Raises
    ------
    ValueError
        Where the name is malformed or taken.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"block name {name!r} is not of the form family.block")
    if name in _REGISTRY:
        raise ValueError(f"block {name!r} is registered twice")

    def register(compute: _C) -> _C:
        _REGISTRY[name] = Block(name, version, names, compute, defaults, batched, frozenset(optional))
        return compute

    return register


def blocks() -> Mapping[str, Block]:
    """All registered blocks by name, in the order of registration."""
    return dict(_REGISTRY)


@dataclass(frozen=True)
class BlockSpec:
    """A block as a feature set uses it: name, version and the parameters in force."""

    name: str
    version: int
    params: Params

    @classmethod
    def of(cls, name: str, **params: Any) -> "BlockSpec":
        """Take the registered block `name` with its defaults, overridden by `params`."""
        if name not in _REGISTRY:
            raise UnknownNameError("block", name, _REGISTRY)
        found = _REGISTRY[name]
        for key in params:
            if key not in found.defaults and key not in found.optional:
                raise UnknownNameError(f"parameter of {name}", key, [*found.defaults, *sorted(found.optional)])
        return cls(name, found.version, {**found.defaults, **params})

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The full names of its values, `family.block.statistic[.cell]`."""
        return tuple(f"{self.name}.{value}" for value in _REGISTRY[self.name].value_names(self.params))

    @cached_property
    def digest(self) -> str:
        """Sha256 in hex over the decode policy, the name, the version and the parameters."""
        return _sha256([FRAME_POLICY, self.name, self.version, self.params])

    @property
    def batched(self) -> bool:
        """Whether it takes `measure`, not `compute`."""
        return _REGISTRY[self.name].batched

    def compute(self, frame: Frame) -> Values:
        """Measure one frame: (len(names),) float32, finite; of a block that is not batched."""
        values = _REGISTRY[self.name].compute(frame, self.params)
        if values.shape != (len(self.names),) or values.dtype != np.float32:
            raise ValueError(f"block {self.name} gave {values.dtype}{values.shape}, not float32({len(self.names)},)")
        return values

    def measure(self, frames: tuple[Frame, ...], session: Session | None) -> Values:
        """Measure frames: (len(frames), len(names)) float32, finite; of a block that is batched."""
        if session is None:
            raise ValueError(f"block {self.name} measures with a network, and none was given")
        values = _REGISTRY[self.name].compute(frames, self.params, session)
        shape = (len(frames), len(self.names))
        if values.shape != shape or values.dtype != np.float32:
            raise ValueError(f"block {self.name} gave {values.dtype}{values.shape}, not float32{shape}")
        return values

    def to_json(self) -> dict[str, Any]:
        """Name, version, parameters and digest as JSON values."""
        return {"name": self.name, "version": self.version, "params": dict(self.params), "digest": self.digest}


@dataclass(frozen=True)
class FeatureSet:
    """An ordered choice of blocks; an image becomes the concatenation of their values."""

    profile: str
    blocks: tuple[BlockSpec, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all values, in the order of the vector."""
        return tuple(name for spec in self.blocks for name in spec.names)

    @cached_property
    def digest(self) -> str:
        """Sha256 in hex over the blocks' digests, in order."""
        return _sha256([spec.digest for spec in self.blocks])

    def compute(self, frame: Frame) -> Values:
        """Measure one frame with every block, none of them batched: (len(names),) float32, finite."""
        values = np.concatenate([spec.compute(frame) for spec in self.blocks])
        if not np.isfinite(values).all():
            raise ValueError(f"{self.names[int(np.argmin(np.isfinite(values)))]} is not finite")
        return values

    def measure(self, frames: Sequence[Frame], session: Session | None = None) -> Values:
        """Measure frames with every block.

        Parameters
        ----------
        frames : sequence of Frame
            Any number of them; their planes are not kept.
        session : Session, optional
            The network that batched blocks measure with.

        Returns
        -------
        (len(frames), len(names)) float32 array
            Finite; bit for bit the same for a frame whatever frames stand beside it.
        """
        values = np.empty((len(frames), len(self.names)), np.float32)
        batch, batched = tuple(frames), [(spec, at) for spec, at in self._columns if spec.batched]
        own = [(spec, at) for spec, at in self._columns if not spec.batched]
        for row, frame in zip(values, batch, strict=True):
            shared = replace(frame)  # its planes go when its row is done
            for spec, at in own:
                row[at] = spec.compute(shared)
        for spec, at in batched if batch else ():
            values[:, at] = spec.measure(batch, session)
        if not np.isfinite(values).all():
            raise ValueError(f"{self.names[int(np.argwhere(~np.isfinite(values))[0, 1])]} is not finite")
        return values

    @cached_property
    def _columns(self) -> list[tuple[BlockSpec, slice]]:
        """Each block with its place in the vector."""
        ends = np.cumsum([len(spec.names) for spec in self.blocks]).tolist()
        return [(spec, slice(end - len(spec.names), end)) for spec, end in zip(self.blocks, ends, strict=True)]

    def to_json(self) -> dict[str, Any]:
        """Profile, digest and blocks as JSON values, for bundles and stores."""
        return {"profile": self.profile, "digest": self.digest, "blocks": [spec.to_json() for spec in self.blocks]}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "FeatureSet":
        """Rebuild a feature set that `to_json` wrote, and check that this version still measures the same.

        Raises
        ------
        UnknownNameError
            Where a block no longer exists.
        FeatureMismatchError
            Where a block, the order of blocks or what precedes them has changed since; the message names it.
        """
        specs = tuple(_rebuild(entry) for entry in record["blocks"])
        rebuilt = cls(record["profile"], specs)
        if rebuilt.digest != record["digest"]:
            raise FeatureMismatchError("the blocks are the same, but their number or order differs")
        return rebuilt


def _rebuild(entry: Mapping[str, Any]) -> BlockSpec:
    spec = BlockSpec.of(entry["name"], **entry["params"])
    if spec.digest == entry["digest"]:
        return spec
    if spec.version != entry["version"]:
        cause = f"written by version {entry['version']}, this is version {spec.version}"
    else:
        cause = "same version, other parameters or another decode policy"
    raise FeatureMismatchError(f"block {spec.name} differs: {cause}")


def _sha256(record: Any) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True, default=dict).encode()).hexdigest()
