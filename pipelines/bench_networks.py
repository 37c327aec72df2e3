"""ResNet-50, Xception and EfficientNet-B4 in torch, with random weights: what REFERENCES names, to be timed."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

__all__ = ["ARCHITECTURES", "build", "efficientnet_b4", "fold", "resnet50", "xception"]

_BOTTLENECKS: Final = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
"""Of ResNet-50: width, blocks, stride of the first."""

_ENTRY: Final = ((64, 128, 128), (128, 256, 256), (256, 728, 728))
_MIDDLE: Final = 8 * ((728, 728, 728, 728),)
_EXIT: Final = (728, 728, 1024)
"""Of Xception: the widths of each block, from its input to its output."""

_INVERTED: Final = (
    (3, 1, 1, 24, 2),
    (3, 2, 6, 32, 4),
    (5, 2, 6, 56, 4),
    (3, 2, 6, 112, 6),
    (5, 1, 6, 160, 6),
    (5, 2, 6, 272, 8),
    (3, 1, 6, 448, 2),
)
"""Of EfficientNet-B4: kernel, stride of the first, expansion, width, blocks."""


class _Sum(nn.Module):
    """The sum of what a body and a shortcut make of the same maps."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return y.add_(self.shortcut(x))


class _Excite(nn.Module):
    """Weighs channels by what their means say (Hu et al. 2018, DOI 10.1109/CVPR.2018.00745)."""

    def __init__(self, width: int, squeezed: int) -> None:
        super().__init__()
        narrow, widen = nn.Conv2d(width, squeezed, 1), nn.Conv2d(squeezed, width, 1)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), narrow, nn.SiLU(True), widen, nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x * self.gate(x)
        return y


def _normalised(
    inputs: int, outputs: int, kernel: int = 1, stride: int = 1, *, groups: int = 1, padding: int | None = None
) -> list[nn.Module]:
    """Make a convolution and its batch normalisation; it keeps the size, by the stride, unless padded otherwise."""
    margin = kernel // 2 if padding is None else padding
    conv = nn.Conv2d(inputs, outputs, kernel, stride, margin, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


def _classifier(width: int, classes: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)]


def resnet50(classes: int = 1) -> nn.Sequential:
    """Make ResNet-50 (He et al. 2016, DOI 10.1109/CVPR.2016.90), images (n, 3, h, w) to logits (n, classes).

    A block's stride is in its 3x3 convolution, as in most programs, and not in the 1x1 before it.
    """
    layers = [*_normalised(3, 64, 7, 2), nn.ReLU(True), nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for width, blocks, first in _BOTTLENECKS:
        for stride in (first, *(blocks - 1) * (1,)):
            layers += _bottleneck(inputs, width, stride)
            inputs = 4 * width
    return nn.Sequential(*layers, *_classifier(inputs, classes))


def _bottleneck(inputs: int, width: int, stride: int) -> list[nn.Module]:
    narrow = [*_normalised(inputs, width), nn.ReLU(True), *_normalised(width, width, 3, stride), nn.ReLU(True)]
    body = nn.Sequential(*narrow, *_normalised(width, 4 * width))
    shortcut = nn.Sequential(*([] if inputs == 4 * width else _normalised(inputs, 4 * width, 1, stride)))
    return [_Sum(body, shortcut), nn.ReLU(True)]


def xception(classes: int = 1) -> nn.Sequential:
    """Make Xception (Chollet 2017, DOI 10.1109/CVPR.2017.195), images (n, 3, h, w) to logits (n, classes)."""
    stem = [*_normalised(3, 32, 3, 2, padding=0), nn.ReLU(True), *_normalised(32, 64, 3, padding=0), nn.ReLU(True)]
    blocks = [_separables(widths) for widths in (*_ENTRY, *_MIDDLE, _EXIT)]
    last = [*_separable(1024, 1536), nn.ReLU(True), *_separable(1536, 2048), nn.ReLU(True)]
    return nn.Sequential(*stem, *blocks, *last, *_classifier(2048, classes))


def _separables(widths: Sequence[int]) -> nn.Module:
    """Make a block; one that changes the width halves the size."""
    layers = [layer for pair in pairwise(widths) for layer in (nn.ReLU(True), *_separable(*pair))]
    if widths == _ENTRY[0]:
        del layers[0]  # the stem ends with it
    else:
        layers[0] = nn.ReLU()  # the shortcut wants what comes in as it is
    if widths[0] == widths[-1]:
        return _Sum(nn.Sequential(*layers), nn.Identity())
    shortcut = nn.Sequential(*_normalised(widths[0], widths[-1], 1, 2))
    return _Sum(nn.Sequential(*layers, nn.MaxPool2d(3, 2, 1)), shortcut)


def _separable(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False), *_normalised(inputs, outputs)]


def efficientnet_b4(classes: int = 1) -> nn.Sequential:
    """Make EfficientNet-B4 (Tan and Le 2019, arXiv:1905.11946), images (n, 3, h, w) to logits (n, classes).

    Without dropout and stochastic depth, which are for training.
    """
    stem = [*_normalised(3, 48, 3, 2), nn.SiLU(True)]
    head = [*_normalised(448, 1792), nn.SiLU(True)]
    return nn.Sequential(*stem, *_inverted_residuals(48), *head, *_classifier(1792, classes))


def _inverted_residuals(inputs: int) -> Iterator[nn.Module]:
    for kernel, first, expansion, outputs, blocks in _INVERTED:
        for stride in (first, *(blocks - 1) * (1,)):
            wide = inputs * expansion
            body = nn.Sequential(
                *([*_normalised(inputs, wide), nn.SiLU(True)] if expansion > 1 else []),
                *[*_normalised(wide, wide, kernel, stride, groups=wide), nn.SiLU(True)],
                _Excite(wide, inputs // 4),
                *_normalised(wide, outputs),
            )
            yield _Sum(body, nn.Identity()) if stride == 1 and inputs == outputs else body
            inputs = outputs


ARCHITECTURES: Final[dict[str, Callable[[int], nn.Sequential]]] = {
    "ResNet-50": resnet50,
    "Xception": xception,
    "EfficientNet-B4": efficientnet_b4,
}
"""What makes the network of a name for a number of classes."""


def fold(network: nn.Module) -> None:
    """Fold batch normalisations into the convolutions before them; the network is in evaluation mode, and stays so."""
    for part in [found for found in network.modules() if isinstance(found, nn.Sequential)]:
        for at, (conv, norm) in enumerate(pairwise(part)):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                part[at], part[at + 1] = fuse_conv_bn_eval(conv, norm), nn.Identity()


def build(name: str) -> nn.Module:
    """Make one of ARCHITECTURES with one logit as it runs fastest: folded, channels last, in evaluation mode.

    Weights are drawn as in He et al. 2015, DOI 10.1109/ICCV.2015.123, so that signals do not fade to numbers that
    processors are slow with.
    """
    network = ARCHITECTURES[name](1).eval()
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight)
    fold(network)
    for weight in network.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return network
