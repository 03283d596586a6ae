"""Layers: torch modules on the same operator, in place of torch's own convolutional layers.

Examples
--------
>>> import torch
>>> from faltung.layers import Conv
>>> Conv(3, 16, 5, padding=2, padding_mode="symmetric")(torch.zeros(1, 3, 32, 32)).shape
torch.Size([1, 16, 32, 32])
"""

from __future__ import annotations

from faltung.errors import MissingExtraError, lacks_learning

try:
    from faltung.layers.conv import Conv, Conv1d, Conv2d, Conv3d
    from faltung.layers.conversion import CONVOLUTIONS, Conversion, conversion_of, convert
    from faltung.layers.input_errors import InputError, InputTypeError
    from faltung.layers.transposed import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, ConvTransposed
    from faltung.tensors.layer_plan import LayerPlan
except ModuleNotFoundError as error:
    if not lacks_learning(error):
        raise
    raise MissingExtraError("faltung.layers", "learn") from error

__all__ = [
    "CONVOLUTIONS",
    "Conv",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "ConvTransposed",
    "Conversion",
    "InputError",
    "InputTypeError",
    "LayerPlan",
    "conversion_of",
    "convert",
]
