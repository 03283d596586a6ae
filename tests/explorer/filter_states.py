"""Random states of the filter view, and what Python computes for them, by slow and obvious code beside `faltung`."""

from __future__ import annotations

import numpy as np

import faltung as fa

PAD = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap"}
NAMED = {
    "sobel": {"axis": (0, 1)}, "prewitt": {"axis": (0, 1)}, "scharr": {"axis": (0, 1)}, "laplacian": {}, "delta": {},
    "gaussian": {"sigma": (0.7, 1.0, 1.5)}, "box": {"size": (1, 2, 3, 4, 5)}, "binomial": {"order": (1, 2, 3)},
    "unsharp": {"sigma": (0.8, 1.2), "amount": (0.5, 2.0)}, "log": {"sigma": (0.8, 1.1)}, "disk": {"radius": (1.5,)},
    "gaussian_derivative": {"sigma": (0.8, 1.0), "order": (1, 2)}, "dog": {"low": (0.7,), "high": (1.2,)},
}  # fmt: skip
TEXTS = {
    2: ("gaussian(0.7) * sobel(axis=1)", "2 * delta() - box(3)", "[[1, 2], [3, -4]]", "(box(2) - delta()).flip() / 3",
        "kernel([[1, 0, 2]], origin=(0, 0))"),
    1: ("gaussian(1, ndim=1) * [1, -1]", "[1, 2, -3, 0.5]", "kernel([1, 0, 2], origin=2)", "box(4, ndim=1) ** 2"),
}  # fmt: skip


def random_state(random, inputs):
    """A state with every key of the view that changes numbers."""

    def pick(*choices):
        return choices[random.integers(len(choices))]

    name = pick("bag", "bag", "shapes", "colour", "chirp", "heartbeat", "microphones")
    channels, *lengths = inputs[name].shape
    ndim = len(lengths)
    state = {
        "filter.input": name,
        "filter.kernels": _bank(random, pick, ndim, channels),
        "filter.channels": "sum",
        "filter.operation": pick("convolve", "correlate", "both"),
        "filter.kind": pick("plain", "plain", "transposed", "causal" if ndim == 1 else "plain"),
        "filter.mode": pick("reflect", "constant", "nearest", "mirror", "wrap"),
        "filter.cval": pick(0, 1.5, -40),
        "filter.shape": pick("same", "same", "valid", "full"),
        "filter.stride": pick(1, 1, 2, 3),
        "filter.dilation": pick(1, 1, 2),
        "filter.direction": pick("sees", "sees", "goes"),
        "filter.padding": pick(0, 0, 1, 2),
        "filter.output_padding": pick(0, 1),
    }
    state["filter.chosen"] = [int(random.integers(len(state["filter.kernels"]))), 0]
    problem = Setting(state, inputs)
    shape = problem.outputs(problem.operations[0]).shape
    border = random.random() < 0.5  # where windows reach beyond it

    def place(length):
        return int(pick(0, length - 1, min(1, length - 1)) if border else random.integers(length))

    state["filter.position"] = [place(length) for length in shape]
    state["filter.sample"] = [place(length) for length in problem.x.shape[1:]]
    return state


def _bank(random, pick, ndim, channels):
    each = channels > 1 and random.random() < 0.5
    return [[_kernel(random, pick, ndim) for _ in range(channels if each else 1)] for _ in range(pick(1, 1, 2))]


def _kernel(random, pick, ndim):
    source = pick("name", "text", "table")
    if source == "name":
        name = pick(*NAMED)
        arguments = {key: pick(*values) for key, values in NAMED[name].items()}
        if ndim == 1:
            arguments.pop("axis", None)
        return {"source": "name", "name": name, "arguments": arguments}
    if source == "text":
        return {"source": "text", "text": pick(*TEXTS[ndim])}
    shape = [pick(1, 2, 3, 4) for _ in range(ndim)]
    taps = np.round(random.standard_normal(shape), 2)
    table = {"taps": taps.tolist(), "origin": [int(random.integers(n)) for n in shape]}
    return {"source": "table", "table" if ndim == 2 else "line": table}


def kernel_of(description, ndim):
    """The kernel of a description, made by `faltung`."""
    if description["source"] == "name":
        arguments = dict(description["arguments"])
        if ndim == 1 and description["name"] in ("sobel", "prewitt", "scharr"):
            arguments["axis"] = 0
        return getattr(fa, description["name"])(**arguments, ndim=ndim)
    if description["source"] == "text":
        return fa.parse(description["text"])
    table = description["table" if ndim == 2 else "line"]
    return fa.Kernel(table["taps"], table["origin"])


class Setting:
    """What a state asks for, in Python's words."""

    def __init__(self, state, inputs):
        self.state = state
        x = inputs[state["filter.input"]]
        self.ndim = x.ndim - 1
        operation = state["filter.operation"]
        self.operations = ["convolve", "correlate"] if operation == "both" else [operation]
        self.transposed = state["filter.kind"] == "transposed"
        self.out = state["filter.chosen"][0]
        self.x = self._spread(x) if self.transposed else x
        self.mode, self.cval = ("constant", 0.0) if self.transposed else (state["filter.mode"], state["filter.cval"])

    def _spread(self, x):
        stride = self.state["filter.stride"]
        extra = min(self.state["filter.output_padding"], max(stride, self.state["filter.dilation"]) - 1)
        spread = np.zeros([x.shape[0], *((n - 1) * stride + 1 + extra for n in x.shape[1:])])
        spread[(slice(None), *(slice(0, (n - 1) * stride + 1, stride) for n in x.shape[1:]))] = x
        return spread

    def kernels(self, operation):
        """Rows of kernels for each channel out, one for each channel in."""
        rows = []
        for row in self.state["filter.kernels"]:
            kernels = [kernel_of(description, self.ndim) for description in row]
            kernels += kernels[-1:] * (len(self.x) - len(kernels))
            if self.state["filter.kind"] == "causal":
                kernels = [fa.Kernel(k.taps, 0 if operation == "convolve" else k.shape[0] - 1) for k in kernels]
            rows.append(kernels)
        return rows

    def outputs(self, operation):
        """The output of the chosen channel out, by `faltung` in double precision."""
        state = self.state
        bank = fa.Bank.stack(self.kernels(operation))
        shape = "full" if self.transposed else state["filter.shape"]
        stride = 1 if self.transposed else state["filter.stride"]
        y = getattr(fa, operation)(
            self.x, bank, self.mode, self.cval, shape=shape, stride=stride, dilation=state["filter.dilation"],
            channel_axis=0, dtype="float64",
        )  # fmt: skip
        crop = state["filter.padding"] if self.transposed else 0
        return y[(self.out, *(slice(crop, n - crop) for n in y.shape[1:]))]

    def sample_at(self, channel, place):
        """A sample of the extended input, by the words of NumPy's `pad`."""
        x = self.x[channel]
        before = [max(0, -int(at)) for at in place]
        after = [max(0, int(at) + 1 - n) for at, n in zip(place, x.shape, strict=True)]
        if self.mode == "constant":
            padded = np.pad(x, list(zip(before, after, strict=True)), constant_values=self.cval)
        else:
            padded = np.pad(x, list(zip(before, after, strict=True)), PAD[self.mode])
        return padded[tuple(int(at) + b for at, b in zip(place, before, strict=True))]

    def reached(self, operation):
        """The weight of the chosen sample in each output: the outputs of an impulse there."""
        state = dict(self.state)
        impulse = np.zeros_like(self.x)
        impulse[(0, *state["filter.sample"])] = 1
        other = Setting(state, {state["filter.input"]: self.x[:1] * 0})
        other.x, other.cval = impulse, 0.0
        return other.outputs(operation)


def expected_numbers(state, inputs):
    """What the page should show in a state."""
    setting = Setting(state, inputs)
    kernels = {operation: setting.kernels(operation)[setting.out] for operation in setting.operations}
    weight = max(1.0, *(float(np.abs(kernel.taps).sum()) for row in kernels.values() for kernel in row))
    largest = max(1.0, float(np.abs(setting.x).max()), abs(setting.cval))
    edited = kernel_of(state["filter.kernels"][setting.out][0], setting.ndim)
    return {
        "scale": weight * largest * len(setting.x),
        "weight": weight,
        "outputs": [setting.outputs(operation) for operation in setting.operations],
        "windows": [
            [
                (_sample_lookup(setting, channel), _tap_lookup(kernel))
                for channel, kernel in enumerate(kernels[operation])
            ]
            for operation in setting.operations
        ],
        "reached": [setting.reached(operation) for operation in setting.operations],
        "sample": setting.x[(0, *state["filter.sample"])],
        "kernel_sum": float(np.asarray(edited.taps, float).sum()),
    }


def _sample_lookup(setting, channel):
    return lambda place: setting.sample_at(channel, place)


def _tap_lookup(kernel):
    def tap(lag):
        index = [int(at) + origin for at, origin in zip(lag, kernel.origin, strict=True)]
        inside = all(0 <= at < size for at, size in zip(index, kernel.shape, strict=True))
        return float(kernel.taps[tuple(index)]) if inside else 0.0

    return tap
