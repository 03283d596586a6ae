"""Architectures of other people, converted: outputs, gradients, and what torch's tools make of them.

python tools/architectures.py            # all; some minutes. It needs `pip install transformers`, which tests do not
python tools/architectures.py Swin ViT   # those whose name contains a word

Networks are made from their configuration, small, without stored weights. Each is converted twice, once planned and
once with every layer in machine code, and compared with itself before. A line for each says how far they are apart;
a failure raises.
"""

from __future__ import annotations

import copy
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import onnxruntime
import torch
import transformers as t
from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.utils.flop_counter import FlopCounterMode

from faltung.layers import conversion_of, convert

Inputs = dict[str, torch.Tensor]
_SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
_SPEECH = {"conv_dim": [16] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2, **_SMALL}
_TWO = {"hidden_sizes": [16, 32], "depths": [1, 1]}
_STAGES = ["stage1", "stage2", "stage3", "stage4"]
_CONVNEXT = {"hidden_sizes": [8, 8, 16, 16], "depths": [1] * 4, "out_features": _STAGES}
_WHISPER = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2}
_WHISPER |= {"decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "max_source_positions": 100}
_WHISPER |= {"vocab_size": 60, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}


def image() -> Inputs:
    return {"pixel_values": torch.randn(1, 3, 64, 64)}


def sound() -> Inputs:
    return {"input_values": torch.randn(1, 4000)}


#: A network and its inputs, by name.
NETWORKS: dict[str, Callable[[], tuple[nn.Module, Inputs]]] = {
    "ResNet": lambda: (t.ResNetModel(t.ResNetConfig(embedding_size=16, **_TWO)), image()),
    "ConvNeXt": lambda: (t.ConvNextModel(t.ConvNextConfig(num_stages=2, **_TWO)), image()),
    "MobileNetV2": lambda: (t.MobileNetV2Model(t.MobileNetV2Config(depth_multiplier=0.35, image_size=64)), image()),
    "EfficientNet": lambda: (
        t.EfficientNetModel(t.EfficientNetConfig(width_coefficient=1.0, depth_coefficient=0.2, hidden_dim=1280)),
        image(),
    ),
    "ViT": lambda: (t.ViTModel(t.ViTConfig(image_size=64, **_SMALL)), image()),
    "Swin": lambda: (
        t.SwinModel(t.SwinConfig(image_size=64, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=4)),
        image(),
    ),
    "SegFormer": lambda: (
        t.SegformerModel(
            t.SegformerConfig(depths=[1] * 4, hidden_sizes=[8, 16, 16, 32], num_attention_heads=[1, 2, 2, 2])
        ),
        image(),
    ),
    "RegNet": lambda: (t.RegNetModel(t.RegNetConfig(embedding_size=16, groups_width=8, **_TWO)), image()),
    "BiT": lambda: (t.BitModel(t.BitConfig(embedding_size=16, num_groups=4, **_TWO)), image()),
    "YOLOS": lambda: (t.YolosModel(t.YolosConfig(image_size=[64, 64], **_SMALL)), image()),
    "BEiT": lambda: (t.BeitModel(t.BeitConfig(image_size=64, **_SMALL)), image()),
    "UperNet": lambda: (
        t.UperNetForSemanticSegmentation(
            t.UperNetConfig(
                backbone_config=t.ConvNextConfig(**_CONVNEXT),
                hidden_size=16,
                auxiliary_in_channels=16,
                auxiliary_channels=8,
            )
        ),
        image(),
    ),
    "wav2vec 2.0": lambda: (t.Wav2Vec2Model(t.Wav2Vec2Config(**_SPEECH)), sound()),
    "HuBERT": lambda: (t.HubertModel(t.HubertConfig(**_SPEECH)), sound()),
    "Whisper": lambda: (
        t.WhisperModel(t.WhisperConfig(**_WHISPER)).encoder,
        {"input_features": torch.randn(1, 80, 200)},
    ),
    "HiFi-GAN": lambda: (
        t.SpeechT5HifiGan(t.SpeechT5HifiGanConfig(model_in_dim=8, upsample_initial_channel=32)),
        {"spectrogram": torch.randn(1, 20, 8)},
    ),
}


class Positional(nn.Module):
    """A network that takes its inputs by position, and returns the first tensor of what it returned."""

    def __init__(self, network: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network, self.names = network, names

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Return the first tensor."""
        found: Any = self.network(**dict(zip(self.names, inputs, strict=True)))
        while not isinstance(found, torch.Tensor):
            found = next(each for each in (found.values() if isinstance(found, dict) else found) if each is not None)
        return found


def outcome(network: nn.Module, inputs: tuple[torch.Tensor, ...]) -> dict[str, torch.Tensor]:
    """Return the output, and gradients of its product with fixed noise."""
    network.zero_grad()
    given = [x.clone().requires_grad_() for x in inputs]
    y = network(*given)
    y.backward(torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=y.dtype))
    gradients = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    return {"output": y.detach(), "input": given[0].grad, **gradients}


def apart(got: dict[str, torch.Tensor], want: dict[str, torch.Tensor]) -> float:
    """Return the largest difference, relative to the largest number of each tensor or of all gradients."""
    assert got.keys() == want.keys()
    least = max(float(value.abs().max()) for name, value in want.items() if name != "output")
    scales = {name: max(float(value.abs().max()), 1e-3 * least) for name, value in want.items()}
    return max(float((got[name] - value).abs().max()) / scales[name] for name, value in want.items())


def operations(network: nn.Module, inputs: tuple[torch.Tensor, ...]) -> int:
    with FlopCounterMode(display=False) as counter:
        outcome(network, inputs)
    return counter.get_total_flops()


def in_onnx(network: nn.Module, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "network.onnx"))
        torch.onnx.export(network, inputs, path, dynamo=True, verbose=False)
        session = onnxruntime.InferenceSession(path)
        named = {each.name: x.numpy() for each, x in zip(session.get_inputs(), inputs, strict=True)}
        return torch.from_numpy(session.run(None, named)[0])


def check(name: str) -> str:
    """Compare a network with itself converted; return what was found."""
    torch.manual_seed(0)
    network, named = NETWORKS[name]()
    inputs = tuple(named.values())
    plain = Positional(network.eval(), (*named,)).requires_grad_()
    wide = tuple(x.double() for x in inputs)
    want = outcome(copy.deepcopy(plain).double(), wide)
    single = plain(*inputs).detach()
    try:
        exportable = in_onnx(plain, inputs) is not None
    except torch.onnx.OnnxExporterError:  # some networks cannot be exported with torch's own layers, either
        exportable = False
    errors = []
    for method in ("auto", "direct"):
        ours = convert(copy.deepcopy(plain))
        for module in ours.modules():
            if hasattr(module, "axes_count"):
                module.method = method
        layers = [module for module in ours.modules() if isinstance(module, _ConvNd)]
        assert len(layers) == sum(isinstance(module, _ConvNd) for module in plain.modules())
        errors.append(apart(outcome(copy.deepcopy(ours).double(), wide), want))
        assert errors[-1] < 1e-9, (name, method, errors)
        assert operations(ours, inputs) == operations(plain, inputs)
        traced = torch.jit.trace(ours, inputs, check_trace=False)
        program = torch.export.export(ours, inputs, strict=False)
        assert not any("faltung" in str(node.target) for node in program.graph.nodes)
        for y in (traced(*inputs), program.module()(*inputs), *([in_onnx(ours, inputs)] if exportable else [])):
            assert (y - single).abs().max() <= 1e-3 * single.abs().max()
        plain.load_state_dict(ours.state_dict())
        assert torch.equal(convert(ours, to="torch")(*inputs), single)
    found = conversion_of(convert(copy.deepcopy(plain)))
    text = (
        f"{len(found.planned)} planned, {len(found.left)} left alone, apart by {max(errors):.0e} in double precision"
    )
    return text + ("" if exportable else "; torch cannot export it to ONNX")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for each in NETWORKS:
        if len(sys.argv) == 1 or any(word in each for word in sys.argv[1:]):
            print(f"{each}: {check(each)}", flush=True)
