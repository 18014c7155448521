"""The suite's plain networks in PyTorch, with the weights of Keras' own."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Weights = Sequence[NDArray[np.float32]]
"""Kernel and bias of each layer, in Keras' order and layout."""


def layers(weights: Weights, activation: Callable[[], nn.Module], side: int = 0) -> list[nn.Module]:
    """Dense layers, convolutions before them and transposed ones after them.

    Kernels with a side of 4 have a stride of 2, those with an odd side, at the end of a decoder, of
    1. Images are channels first. Where a dense layer meets one, its numbers are put in that order,
    so that nothing has to be transposed later.

    Args:
        weights: of a network of kind ``conv``, ``dense`` or ``dcgan``.
        activation: made after every layer but the last.
        side: of the images that a network takes whose first layer is a convolution.
    """
    pairs = list(zip(weights[::2], weights[1::2], strict=True))
    upwards = pairs[0][0].ndim == 2
    made: list[Any] = []
    for index, (kernel, bias) in enumerate(pairs):
        before = pairs[index - 1][0] if index else kernel
        after = pairs[index + 1][0] if index + 1 < len(pairs) else kernel
        shape: tuple[int, ...] | None = None
        if kernel.ndim == 4:
            if side % 2:
                made.append(nn.ZeroPad2d((0, 1, 0, 1)))  # Keras' "same" of an odd side
            made.append(_convolution(kernel, bias, upwards=upwards))
            side = (side + 1) // 2
        elif before.ndim == 4:
            order, _ = _channels_first(len(kernel), before.shape[3])
            made += [nn.Flatten(), _dense(kernel[order], bias)]
        elif after.ndim == 4:
            order, shape = _channels_first(len(bias), after.shape[3])
            made.append(_dense(kernel[:, order], bias[order]))
        else:
            made.append(_dense(kernel, bias))
        if index + 1 < len(pairs):
            made.append(activation())
        if shape:
            made.append(nn.Unflatten(1, shape))
    return made


def _channels_first(count: int, channels: int) -> tuple[NDArray[np.intp], tuple[int, ...]]:
    """A square image of so many numbers, channels last: their order and shape channels first."""
    side = round((count / channels) ** 0.5)
    order = np.arange(count).reshape(side, side, channels).transpose(2, 0, 1)
    return order.ravel(), order.shape


def _dense(kernel: NDArray[np.float32], bias: NDArray[np.float32]) -> nn.Module:
    return _filled(nn.Linear(*kernel.shape), kernel.T, bias)


def _convolution(
    kernel: NDArray[np.float32], bias: NDArray[np.float32], *, upwards: bool
) -> nn.Module:
    size = len(kernel)
    stride = 1 if size % 2 else 2
    transposed = upwards and stride == 2
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    inputs, outputs = kernel.shape[2:][:: -1 if transposed else 1]
    layer = kind(inputs, outputs, size, stride=stride, padding=(size - 1) // 2)
    return _filled(layer, kernel.transpose(3, 2, 0, 1), bias)


def _filled(layer: Any, kernel: NDArray[np.float32], bias: NDArray[np.float32]) -> nn.Module:
    layer.weight.data = torch.from_numpy(np.ascontiguousarray(kernel))
    layer.bias.data = torch.from_numpy(bias)
    return layer
