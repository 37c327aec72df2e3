"""The network: EfficientNet-Lite in torch, every batch normalisation folded into the convolution before it.

Folded, an image's result cannot depend on what else is in its batch, in training either.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from features.architecture import HEAD, MAPS, PLAIN, POOLED, PREPROCESSING, STAGES, find_architecture, widths_of

__all__ = ["Block", "Conv", "Network", "normalise", "pool"]

_STEM = 32


class Conv(nn.Conv2d):
    """A convolution with bias and TensorFlow's "same" padding, followed by ReLU6 where `activated`.

    That padding depends on the size in use where there is a stride; it may be one pixel wider on the right and below.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, *, groups: int = 1, activated: bool = True
    ) -> None:
        """Make the weights at random."""
        super().__init__(inputs, outputs, kernel, stride, kernel // 2 if stride == 1 else 0, groups=groups)
        self.weight = nn.Parameter(self.weight.detach().contiguous(memory_format=torch.channels_last))
        self.activated = activated

    def forward(self, x: Tensor) -> Tensor:
        """Take (n, inputs, h, w) to (n, outputs, ceil(h / stride), ceil(w / stride))."""
        if self.stride[0] > 1:
            x = functional.pad(x, [*self._margins(x.shape[3]), *self._margins(x.shape[2])])
        y = super().forward(x)
        return functional.relu6(y, inplace=True) if self.activated else y

    def _margins(self, size: int) -> tuple[int, int]:
        stride, kernel = self.stride[0], self.kernel_size[0]
        missing = max(0, (-(-size // stride) - 1) * stride + kernel - size)
        return missing // 2, missing - missing // 2


class Block(nn.Module):
    """An inverted residual (Sandler et al. 2018, DOI 10.1109/CVPR.2018.00474): widen, filter each channel, narrow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        """Make the weights at random."""
        super().__init__()
        wide = inputs * expansion
        self.expand = Conv(inputs, wide) if expansion > 1 else nn.Identity()
        self.depthwise = Conv(wide, wide, kernel, stride, groups=wide)
        self.project = Conv(wide, outputs, activated=False)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Take (n, inputs, h, w) to (n, outputs, ceil(h / stride), ceil(w / stride))."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class Network(nn.Module):
    """EfficientNet-Lite of one size with a linear classifier, and where it is located a map of what was forged.

    Parameters
    ----------
    architecture : str
        One of ARCHITECTURES.
    heads : sequence of str
        The names of the classifier's rows, a logit each.
    located : bool
        Whether a convolution takes the last map to the log odds, cell by cell, that it was forged.

    Raises
    ------
    UnknownNameError
        No architecture of that name.
    """

    def __init__(self, architecture: str = "lite0", heads: Sequence[str] = PLAIN, located: bool = False) -> None:
        """Make the weights at random."""
        super().__init__()
        size = find_architecture(architecture)
        self.architecture = architecture
        self.heads = tuple(heads)
        self.widths = widths_of(architecture)
        self.stem = Conv(3, _STEM, 3, 2)
        self.stages = nn.ModuleList(_stages(self.widths, size.depth))
        self.head = Conv(self.widths[-2], HEAD)
        self.dropout = nn.Dropout(size.dropout)
        self.classifier = nn.Linear(HEAD, len(self.heads))
        self.locator = Conv(HEAD, 1, activated=False) if located else None

    @classmethod
    def of(cls, form: Mapping[str, Any]) -> "Network":
        """Make a network of such a form; raises KeyError where it names no architecture, else as the class does."""
        return cls(form["architecture"], form.get("heads", PLAIN), form.get("located", False))

    @property
    def form(self) -> dict[str, Any]:
        """All but the weights, as JSON values: `architecture`; `heads` and `located` where it is not a plain one."""
        more = {"heads": list(self.heads), "located": self.locator is not None}
        return {"architecture": self.architecture, **(more if more != {"heads": [*PLAIN], "located": False} else {})}

    def renew(self, heads: Sequence[str], *, located: bool) -> None:
        """Take these heads in place of its own: what it has of them stays as it is, what is new begins at zero."""
        if self.heads != tuple(heads):
            classifier = nn.Linear(HEAD, len(heads))
            for parameter, known in zip(classifier.parameters(), self.classifier.parameters(), strict=True):
                rows = dict(zip(self.heads, known.detach(), strict=True))
                parameter.data = torch.stack([rows.get(head, torch.zeros_like(known[0])) for head in heads])
            self.heads, self.classifier = tuple(heads), classifier
        if located and self.locator is None:
            self.locator = Conv(HEAD, 1, activated=False)
            for parameter in self.locator.parameters():
                nn.init.zeros_(parameter)
        elif not located:
            self.locator = None

    def maps(self, x: Tensor) -> list[Tensor]:
        """Take normalised images (n, 3, h, w) to the maps of MAPS, each (n, widths[i], h / 2..32, w / 2..32)."""
        x = self.stem(x)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return [*found, self.head(x)]

    def classify(self, head: Tensor) -> Tensor:
        """Take the last map, (n, 1280, h, w), to logits, (n, heads)."""
        logits: Tensor = self.classifier(self.dropout(head.mean((2, 3))))
        return logits

    def locate(self, head: Tensor) -> Tensor | None:
        """Take the last map, (n, 1280, h, w), to log odds that cells were forged, (n, h, w); None if not located."""
        return None if self.locator is None else self.locator(head)[:, 0]

    def forward(self, x: Tensor) -> Tensor:
        """Take normalised images (n, 3, h, w) to logits, (n, heads)."""
        return self.classify(self.maps(x)[-1])


def _stages(widths: tuple[int, ...], depth: float) -> Iterator[nn.Sequential]:
    inputs = _STEM
    for index, (kernel, stride, expansion, _, count) in enumerate(STAGES):
        blocks = count if index in (0, len(STAGES) - 1) else math.ceil(count * depth)
        outputs = widths[index]
        first = Block(inputs, outputs, kernel, stride, expansion)
        yield nn.Sequential(first, *(Block(outputs, outputs, kernel, 1, expansion) for _ in range(blocks - 1)))
        inputs = outputs


def normalise(pixels: Tensor) -> Tensor:
    """Prepare pixels for the network.

    Parameters
    ----------
    pixels : (n, h, w, 3) uint8 tensor
        As `Frame.bgr` holds them.

    Returns
    -------
    (n, 3, h, w) float32 tensor, channels last in memory
        RGB, minus 127, over 128.
    """
    return pixels.flip(-1).permute(0, 3, 1, 2).to(torch.float32).sub_(PREPROCESSING.mean).div_(PREPROCESSING.std)


def pool(maps: list[Tensor]) -> Tensor:
    """Take mean and standard deviation over the area of each map that POOLED names, as `pooled_names` names them.

    Parameters
    ----------
    maps : list of (n, c, h, w) tensors
        What `Network.maps` gave.

    Returns
    -------
    (n, d) float32 tensor
    """
    chosen = [found.float() for name, found in zip(MAPS, maps, strict=True) if name in POOLED]
    moments = [(found.mean((2, 3)), found.std((2, 3), unbiased=False)) for found in chosen]
    return torch.cat([moment for pair in moments for moment in pair], dim=1)
