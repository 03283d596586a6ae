"""Simplification: every rule on networks of many kinds, what is refused and why, and that nothing else changes."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import faltung as fa

pytestmark = pytest.mark.usefixtures("alone")


def ready(model):
    """Give batch norms and layers random values, and set the evaluation mode."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats:
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return model.eval()


def simplified(model, *shape, tolerance=0.0):
    """Simplify a model, check that it is untouched and the result equal, and return result and certificate."""
    x = torch.randn(*shape)
    state, modes = copy.deepcopy(model.state_dict()), [module.training for module in model.modules()]
    random = torch.random.get_rng_state()
    result, certificate = fa.inspect.simplify(model, x, tolerance)
    assert torch.equal(torch.random.get_rng_state(), random)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    other = torch.randn(*shape)
    with torch.no_grad():
        close = {"rtol": 0, "atol": float(max(1e-5, tolerance) * model(other).abs().max() + 1e-12)}
        torch.testing.assert_close(result(other), model(other), **close)
    return result, certificate


def rules(certificate):
    return [rewrite.rule for rewrite in certificate.rewrites]


class Branches(nn.Module):
    """A block as networks of branches have it while they are trained."""

    def __init__(self, channels=4, groups=1, identity=True):
        super().__init__()
        self.wide = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=groups, bias=False), nn.BatchNorm2d(channels)
        )
        self.narrow = nn.Sequential(nn.Conv2d(channels, channels, 1, groups=groups), nn.BatchNorm2d(channels))
        self.same = nn.BatchNorm2d(channels) if identity else None
        self.act = nn.ReLU()

    def forward(self, x):
        total = self.wide(x) + self.narrow(x)
        return self.act(total if self.same is None else total + self.same(x))


NORMS = {
    "convolution": (lambda: nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d, 6, (2, 4, 9, 9)),
    "without bias": (lambda: nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d, 6, (2, 4, 9, 9)),
    "same padding of an even kernel": (lambda: nn.Conv2d(4, 6, 4, padding="same"), nn.BatchNorm2d, 6, (1, 4, 9, 9)),
    "reflect": (lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"), nn.BatchNorm2d, 6, (1, 4, 9, 9)),
    "groups": (lambda: nn.Conv2d(4, 6, 3, groups=2, stride=2), nn.BatchNorm2d, 6, (2, 4, 9, 9)),
    "depthwise": (lambda: nn.Conv2d(4, 8, 3, groups=4, dilation=2), nn.BatchNorm2d, 8, (2, 4, 9, 9)),
    "transposed": (lambda: nn.ConvTranspose2d(4, 6, 3, stride=2), nn.BatchNorm2d, 6, (2, 4, 5, 5)),
    "transposed, groups": (lambda: nn.ConvTranspose2d(4, 6, 3, groups=2), nn.BatchNorm2d, 6, (2, 4, 5, 5)),
    "transposed, depthwise": (lambda: nn.ConvTranspose2d(4, 4, 3, groups=4), nn.BatchNorm2d, 4, (2, 4, 5, 5)),
    "one axis": (lambda: nn.Conv1d(4, 6, 3), nn.BatchNorm1d, 6, (2, 4, 9)),
    "three axes": (lambda: nn.Conv3d(2, 3, 2), nn.BatchNorm3d, 3, (1, 2, 4, 4, 4)),
    "fully connected": (lambda: nn.Linear(4, 6), nn.BatchNorm1d, 6, (3, 4)),
}


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("kind", NORMS)
def test_batch_norm_is_folded_into_the_layer_before_it(kind, affine):
    layer, norm, channels, shape = NORMS[kind]
    model = ready(nn.Sequential(layer(), norm(channels, affine=affine), nn.ReLU()))
    result, certificate = simplified(model, *shape)
    assert rules(certificate) == ["batch norm into layer"]
    assert type(result[1]) is nn.Identity
    assert type(result[0]) is type(model[0])


def test_batch_norm_is_folded_into_the_layer_after_it_where_nothing_is_padded_with_zeros():
    for layer in (nn.Conv2d(4, 6, 3), nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular")):
        result, certificate = simplified(ready(nn.Sequential(nn.BatchNorm2d(4), layer)), 2, 4, 7, 7)
        assert rules(certificate) == ["batch norm into next layer"]
        assert type(result[0]) is nn.Identity
    _, certificate = simplified(ready(nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3, padding=1))), 2, 4, 7, 7)
    assert not certificate.rewrites
    assert "pads with zeros" in certificate.refusals[0].why


def test_layers_without_a_nonlinearity_between_them_are_one():
    result, certificate = simplified(nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3)).eval(), 1, 2, 12, 12)
    assert rules(certificate) == ["layer after layer"]
    assert result[1].kernel_size == (5, 5)
    assert certificate.after.multiply_adds < certificate.before.multiply_adds
    result, certificate = simplified(nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3), nn.ReLU()).eval(), 6, 5)
    assert rules(certificate) == ["layer after layer"]
    pointwise = nn.Sequential(nn.Conv2d(4, 4, 1, bias=False), nn.Conv2d(4, 4, 3, padding=1, stride=2)).eval()
    assert rules(simplified(pointwise, 1, 4, 9, 9)[1]) == ["layer after layer"]
    circular = [nn.Conv1d(2, 2, 3, padding=1, padding_mode="circular") for _ in range(2)]
    assert rules(simplified(nn.Sequential(*circular).eval(), 1, 2, 9)[1]) == ["layer after layer"]


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)), "different along the border"),
        (nn.Sequential(nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 3, padding=1)), "different along the border"),
        (nn.Sequential(nn.Conv2d(8, 1, 1), nn.Conv2d(1, 8, 3)), "times the weights of the two"),
        (nn.Sequential(nn.Conv2d(2, 2, 3), nn.ConvTranspose2d(2, 2, 3)), "transposed"),
    ],
)
def test_layers_that_are_not_one_are_left_with_the_reason(model, why):
    channels = model[0].in_channels
    _, certificate = simplified(model.eval(), 1, channels, 9, 9)
    assert not certificate.rewrites
    assert why in certificate.refusals[0].why


def test_a_nonlinearity_between_layers_leaves_them_as_they_are():
    _, certificate = simplified(nn.Sequential(nn.Conv2d(2, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3)).eval(), 1, 2, 9, 9)
    assert not certificate.rewrites
    assert not certificate.refusals


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("identity", [True, False])
def test_branches_become_one_layer(groups, identity):
    model = ready(nn.Sequential(Branches(4, groups, identity), Branches(4, groups, identity)))
    result, certificate = simplified(model, 2, 4, 8, 8)
    assert rules(certificate).count("sum of branches") == 2
    layers = [module for module in result.modules() if isinstance(module, nn.Conv2d)]
    assert [(layer.kernel_size, layer.groups) for layer in layers] == [((3, 3), groups)] * 2
    assert not [module for module in result.modules() if isinstance(module, nn.BatchNorm2d)]
    assert "0.wide.0.weight" in result.state_dict()
    again = pickle.loads(pickle.dumps(result))
    x = torch.randn(3, 4, 5, 6)  # another size than that of the example
    with torch.no_grad():
        torch.testing.assert_close(again(x), model(x), rtol=1e-4, atol=1e-5)


def test_the_sum_in_the_model_itself_and_what_stays_beside_it():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv1d(3, 3, 3, padding=1), nn.Conv1d(3, 3, 1)

        def forward(self, x):
            return torch.tanh(
                self.a(x) + torch.sin(x) * 0 + x + self.b(x) if False else self.a(x) + x + self.b(x) + 2 * x
            )

    result, certificate = simplified(Sum().eval(), 2, 3, 11)
    assert rules(certificate) == ["sum of branches"]
    assert [*result.state_dict()] == ["a.weight", "a.bias"]


def test_a_block_that_keeps_the_sizes_of_the_example_is_refused():
    class Sized(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv1d(3, 3, 3, padding=1), nn.Conv1d(3, 3, 1)

        def forward(self, x):
            return (self.a(x) + self.b(x)).reshape(x.shape[0], -1)

    _, certificate = simplified(Sized().eval(), 2, 3, 11)
    assert not certificate.rewrites
    assert "sizes" in certificate.refusals[0].why


def test_a_reused_convolution_is_not_folded():
    class Reused(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)

        def forward(self, x):
            return self.conv(torch.relu(self.norm(self.conv(x))))

    _, certificate = simplified(ready(Reused()), 1, 4, 7, 7)
    assert not certificate.rewrites
    assert "more than once" in certificate.refusals[0].why


def test_tied_weights_are_not_changed():
    model = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3))
    model[3].weight = model[0].weight
    _, certificate = simplified(ready(model), 1, 4, 9, 9)
    assert not certificate.rewrites
    assert "more than once" in certificate.refusals[0].why


def test_a_convolution_that_is_a_function():
    class Functional(nn.Module):
        def __init__(self, bias):
            super().__init__()
            self.weight, self.norm = nn.Parameter(torch.randn(4, 4, 3, 3)), nn.BatchNorm2d(4)
            self.bias = nn.Parameter(torch.randn(4)) if bias else None

        def forward(self, x):
            return self.norm(F.conv2d(x, self.weight, self.bias))

    assert rules(simplified(ready(Functional(True)), 1, 4, 7, 7)[1]) == ["batch norm into layer"]
    _, certificate = simplified(ready(Functional(False)), 1, 4, 7, 7)
    assert not certificate.rewrites
    assert "without a bias" in certificate.refusals[0].why


def test_hooks_training_mode_and_parametrizations_are_refused():
    hooked = ready(nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)))
    seen = []
    hooked[0].register_forward_hook(lambda *_: seen.append(1))
    _, certificate = simplified(hooked, 1, 4, 7, 7)
    assert "hooks" in certificate.refusals[0].why
    training = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
    _, certificate = fa.inspect.simplify(training, torch.randn(2, 4, 7, 7))
    assert not certificate.rewrites
    assert "model.eval()" in certificate.refusals[0].why
    assert training[1].num_batches_tracked == 0
    assert training.training
    weighed = ready(nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 3)), nn.BatchNorm2d(4)))
    _, certificate = simplified(weighed, 1, 4, 7, 7)
    assert "parametrization" in certificate.refusals[0].why
    stateless = ready(nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)))
    _, certificate = simplified(stateless, 1, 4, 7, 7)
    assert "running statistics" in certificate.refusals[0].why


def test_an_activation_that_is_used_twice_is_kept():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)

        def forward(self, x):
            y = self.conv(x)
            return self.norm(y) * y

    _, certificate = simplified(ready(Twice()), 1, 4, 7, 7)
    assert "used elsewhere" in certificate.refusals[0].why


def test_channels_that_do_nothing_are_left_out():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1))
    with torch.no_grad():
        model[0].weight[[1, 5]] = 0  # constant, and zero behind the nonlinearity
        model[0].bias[[1, 5]] = -1
        model[0].weight[2] = 0  # constant, and not zero: the padding of the next layer shows
        model[0].bias[2] = 1
        model[2].weight[:, 6] = 0  # nobody reads it
        model[2].weight[3] = 0  # constant, before a layer that does not pad
    result, certificate = simplified(model.eval(), 2, 3, 9, 9)
    assert {*rules(certificate)} == {"dead channels"}
    assert [result[0].out_channels, result[2].in_channels, result[2].out_channels] == [5, 5, 3]


def test_a_tolerance_allows_factors_that_are_faster():
    torch.manual_seed(0)
    layer = nn.Conv2d(64, 64, 5, padding=2)
    with torch.no_grad():
        low = torch.randn(64, 4) @ torch.randn(4, 64 * 25)
        layer.weight.copy_((low / 50).reshape(64, 64, 5, 5))
    model = nn.Sequential(layer, nn.ReLU()).eval()
    result, certificate = simplified(model, 1, 64, 32, 32, tolerance=1e-3)
    assert rules(certificate) == ["low rank"]
    assert result[0][0].out_channels == 4
    assert certificate.after.multiply_adds < certificate.before.multiply_adds / 10
    _, certificate = simplified(model, 1, 64, 32, 32)
    assert not certificate.rewrites


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_the_precision_of_a_network_is_kept(dtype):
    model = ready(nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))).to(dtype)
    result, certificate = fa.inspect.simplify(model, torch.randn(1, 4, 8, 8, dtype=dtype))
    assert {tensor.dtype for tensor in result.state_dict().values() if tensor.is_floating_point()} == {dtype}
    assert rules(certificate) == ["batch norm into layer"]
    assert certificate.difference.relative < 8 * torch.finfo(dtype).eps


def test_a_network_that_makes_tensors_of_its_own_precision():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2)

        def forward(self, x):
            return self.norm(self.conv(torch.cat([x, torch.ones(x.shape)[:, :1].float() * x.float()], 1).float()))

    _, certificate = simplified(ready(Own()), 1, 1, 7, 7)
    assert rules(certificate) == ["batch norm into layer"]
    assert certificate.checked_in == "float32"


def test_the_certificate_says_everything_as_text_numbers_and_html():
    model = ready(nn.Sequential(Branches(), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)))
    _, certificate = simplified(model, 1, 4, 8, 8)
    text = str(certificate)
    assert "sum of branches: 0: 0.wide.0, 0.narrow.0, 0.same" in text
    assert "refused layer after layer: 1, 2" in text
    told = json.loads(json.dumps(certificate.to_dict()))
    assert told["after"]["parameters"] < told["before"]["parameters"]
    assert told["rewrites"][0]["difference"]["relative"] < 1e-12
    assert "<table" in certificate._repr_html_()


def test_what_cannot_be_simplified_is_refused_by_name():
    class Branching(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(fa.ArgumentError, match=r"model: expected a model that torch.export can export"):
        fa.inspect.simplify(Branching(), torch.randn(3))
    with pytest.raises(fa.ArgumentTypeError, match=r"model: expected a torch.nn.Module, got builtin"):
        fa.inspect.simplify(torch.relu, torch.randn(3))
    with pytest.raises(fa.ArgumentTypeError, match=r"example: expected a tensor"):
        fa.inspect.simplify(nn.ReLU(), [1.0])
    with pytest.raises(fa.ArgumentError, match="tolerance"):
        fa.inspect.simplify(nn.ReLU(), torch.randn(3), -1)
