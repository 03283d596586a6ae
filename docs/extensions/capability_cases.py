"""What is asked for the table of capabilities? Kinds of arrays, options of `convolve`, and calls of all functions."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import dask.array
import jax
import numpy as np
import pandas
import torch
import xarray
import zarr

import faltung as fa
from faltung.doors import DOORS
from faltung.ground.boundary import MODES
from faltung.ground.regions import SHAPES
from faltung.planning.bank_plan import METHODS as BANK_METHODS
from faltung.planning.planner import METHODS

KERNEL = fa.gaussian(1.0, ndim=1)
PLANE = fa.gaussian(1.0, ndim=2)

#: Long enough for every function along both axes; the first axis is also that of channels.
SAMPLES = np.random.default_rng(0).normal(size=(12, 40)).astype(np.float32)
BANK = fa.Bank(np.random.default_rng(1).normal(size=(2, 12, 3)))


class Kind(NamedTuple):
    """A kind of array: how it is made of an array of NumPy, and how its numbers are read.

    `keywords` are needed in every call; `companion` makes the other arrays of a call, if `make` does not.
    """

    name: str
    make: Callable[[Any], Any]
    read: Callable[[Any], Any] = np.asarray
    keywords: Mapping[str, Any] = {}
    companion: Callable[[Any], Any] | None = None


def _labelled(samples: Any) -> Any:
    return xarray.DataArray(samples, dims=("y", "x")[-np.ndim(samples) :])


def _on_cupy(samples: Any) -> Any:
    if not torch.cuda.is_available():
        raise NotRunError("CuPy needs CUDA, and the machine that made this page has none.")
    return import_module("cupy").asarray(samples)


class NotRunError(Exception):
    """A cell cannot be found out on this machine."""


_OF_DOORS = {
    ("torch", "Tensor"): Kind("torch Tensor", torch.tensor, lambda y: y.detach().numpy()),
    ("xarray", "DataArray"): Kind("xarray DataArray", _labelled),
    ("xarray", "Dataset"): Kind(
        "xarray Dataset",
        lambda a: xarray.Dataset({"v": _labelled(a)}),
        lambda y: y["v"].to_numpy(),
        {"dims": "x"},
        _labelled,
    ),
    ("pandas", "Series"): Kind(
        "pandas Series", lambda a: pandas.Series(a[0], copy=True), lambda y: y.to_numpy()[np.newaxis]
    ),
    ("pandas", "DataFrame"): Kind(
        "pandas DataFrame", lambda a: pandas.DataFrame(a.T, copy=True), lambda y: y.to_numpy().T
    ),
    ("jax", "Array"): Kind("JAX Array", jax.numpy.asarray),
    ("cupy", "ndarray"): Kind("CuPy ndarray", _on_cupy, lambda y: y.get()),
    ("dask.array", "Array"): Kind("dask Array", lambda a: dask.array.from_array(a, chunks=(4, 16))),
}
#: All kinds; those of the table of doors are in its order.
KINDS = (
    Kind("NumPy ndarray", np.array),
    Kind("list", lambda a: a.tolist(), companion=np.array),
    Kind("masked array", np.ma.array, np.ma.getdata, companion=np.array),
    *(_OF_DOORS[door.library, door.type_name] for door in DOORS),
    Kind("Zarr Array", zarr.array),
)


class Option(NamedTuple):
    """An option of `convolve` as it is typed, its keywords, and what it is tried with."""

    parameter: str
    typed: str
    keywords: Mapping[str, Any]
    kernel: Any = KERNEL
    missing: bool = False


EACH_AXIS = 'mode=("wrap", "mirror")'
NAMED = "dims="
CHANNELS = "channel_axis=, with a bank"
GROUPS = "channel_axis=, groups=2, with a bank"

_WINDOW = fa.box(3, ndim=1)
_TEMPLATE = (0.0, 1.0, 3.0, 2.0)
#: Kernels for the methods that not every kernel allows.
_SUITED = {"running": fa.box(5, ndim=1), "passes": fa.box(5, ndim=1) * fa.gaussian(3.0, ndim=1)}


def _options() -> list[Option]:
    """Return a value, or all values, of each parameter of `convolve` except array and kernel."""
    valid = SAMPLES > -1
    return [
        *(Option("mode", f'mode="{mode}"', {"mode": mode}) for mode in MODES),
        Option("mode", EACH_AXIS, {"mode": ("wrap", "mirror")}, PLANE),
        Option("cval", 'mode="constant", cval=2', {"mode": "constant", "cval": 2}),
        *(Option("shape", f'shape="{shape}"', {"shape": shape}) for shape in SHAPES),
        Option("axes", "axes=-1", {"axes": -1}),
        Option("dims", NAMED, {"dims": "x"}),
        Option("channel_axis", CHANNELS, {"channel_axis": 0}, BANK),
        Option("stride", "stride=2", {"stride": 2}),
        Option("up", "up=2", {"up": 2}),
        Option("dilation", "dilation=2", {"dilation": 2}),
        Option("groups", GROUPS, {"channel_axis": 0, "groups": 2}, fa.Bank(np.ones((2, 6, 3)))),
        Option("out", "out=", {"out": np.zeros_like(SAMPLES)}),
        Option("dtype", 'dtype="int16"', {"dtype": "int16"}),
        Option("nan", 'nan="propagate"', {"nan": "propagate"}, missing=True),
        Option("nan", 'nan="ignore"', {"nan": "ignore"}, missing=True),
        Option("mask", "mask=", {"mask": valid}),
        Option("weights", "weights=", {"weights": valid * np.float32(0.5)}),
        Option("min_weight", "mask=, min_weight=0.9", {"mask": valid, "min_weight": 0.9}),
        Option("keep_nan", 'nan="ignore", keep_nan=True', {"nan": "ignore", "keep_nan": True}, missing=True),
        Option("variance", "variance=", {"variance": np.ones_like(SAMPLES)}),
        *(Option("accuracy", f'accuracy="{name}"', {"accuracy": name}) for name in ("norm", "pointwise")),
        *(Option("method", f'method="{name}"', {"method": name}, _SUITED.get(name, KERNEL)) for name in METHODS),
        *(
            Option("method", f'method="{name}", with a bank', {"method": name}, fa.Bank.stack([KERNEL, -KERNEL]))
            for name in BANK_METHODS
            if name not in METHODS
        ),
        Option("workers", "workers=1", {"workers": 1}),
    ]


OPTIONS = _options()

#: What is typed instead by kinds whose axes have names, or whose columns have one axis.
_INSTEAD: dict[tuple[str, str], dict[str, Any]] = {
    ("xarray Dataset", EACH_AXIS): {"dims": ("y", "x")},
    **{("xarray Dataset", typed): {"channel_axis": "y"} for typed in (CHANNELS, GROUPS)},
    **{(f"pandas {name}", NAMED): {"dims": "index"} for name in ("Series", "DataFrame")},
    **{(f"pandas {name}", EACH_AXIS): {"mode": ("wrap",)} for name in ("Series", "DataFrame")},
}


def asked(option: Option, kind: Kind) -> Option:
    """Return an option as a kind of array takes it."""
    keywords = {**option.keywords, **_INSTEAD.get((kind.name, option.typed), {})}
    return option._replace(keywords=keywords, kernel=KERNEL if keywords.get("mode") == ("wrap",) else option.kernel)


#: Dtypes of samples: those of NumPy, and one that only torch has.
DTYPES = (
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("bfloat16", "float16", "float32", "float64", "longdouble", "complex64", "complex128", "object", "str"),
)

# ---- one call of each function that takes an array; the others of its module are values, classes and makers


def _pushed(x: Any) -> Any:
    return fa.Stream(KERNEL, channels=len(SAMPLES)).push(x)


def _layer(x: Any) -> Any:
    return fa.layers.Conv1d(len(SAMPLES), 3, 5)(x)


def _from_storage(x: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return fa.chunked.apply(x, KERNEL, Path(folder, "out.zarr"))


def _magnitudes(x: Any) -> Any:
    """Return an array without negative samples, if its kind has magnitudes."""
    if isinstance(x, list):
        return np.abs(x).tolist()
    return abs(x) if hasattr(x, "__abs__") else x


_TAPS = [0.25, 0.5, 0.25]


def _second_difference(x: Any, axis: int, output: Any, mode: str, cval: float) -> Any:
    return fa.compat.ndimage.correlate1d(x, [1.0, -2.0, 1.0], axis, output, mode, cval)


def _plane(x: Any) -> Any:
    """Return three taps along the last axis, as an array with the axes of `x`."""
    return np.array(_TAPS, np.float32).reshape((1,) * (getattr(x, "ndim", 2) - 1) + (3,))


#: Arguments after the array, for functions that need some.
_ARGUMENTS: dict[str, dict[str, Callable[[Any], tuple[Any, ...]]]] = {
    "ndimage": {
        **dict.fromkeys(("convolve", "correlate"), lambda x: (_plane(x),)),
        **dict.fromkeys(("convolve1d", "correlate1d"), lambda x: (_TAPS,)),
        **dict.fromkeys(
            ("gaussian_filter", "gaussian_filter1d", "gaussian_gradient_magnitude", "gaussian_laplace"),
            lambda x: (1,),
        ),
        "generic_gradient_magnitude": lambda x: (fa.compat.ndimage.sobel,),
        "generic_laplace": lambda x: (_second_difference,),
        "uniform_filter1d": lambda x: (3,),
    },
    "signal": {
        **dict.fromkeys(("convolve", "correlate", "fftconvolve", "oaconvolve"), lambda x: (_plane(x),)),
        **dict.fromkeys(("convolve2d", "correlate2d", "choose_conv_method"), lambda x: (_plane(x),)),
        "decimate": lambda x: (2, 8, "fir"),
        "resample_poly": lambda x: (3, 2, -1),
        "savgol_filter": lambda x: (5, 2),
        "sepfir2d": lambda x: ([1.0], _TAPS),
    },
    "cv2": {
        "GaussianBlur": lambda x: ((3, 3), 1),
        "Laplacian": lambda x: (-1,),
        "Scharr": lambda x: (-1, 1, 0),
        "Sobel": lambda x: (-1, 1, 0),
        "blur": lambda x: ((3, 3),),
        "boxFilter": lambda x: (-1, (3, 3)),
        "filter2D": lambda x: (-1, _plane(x)),
        "sepFilter2D": lambda x: (-1, np.array(_TAPS), np.array(_TAPS)),
    },
    "skimage.filters": {"gabor": lambda x: (0.2,), "difference_of_gaussians": lambda x: (1, 2)},
    "astropy": dict.fromkeys(("convolve", "convolve_fft"), lambda x: (_plane(x),)),
}
#: Functions for arrays with two axes; a series has one.
PLANAR = ("convolve2d", "correlate2d", "sepfir2d")
#: Functions whose array is not the first argument.
_ARRAY_LATER = {
    "lfilter": lambda function, x: function(_TAPS, 1.0, x),
    "filtfilt": lambda function, x: function(_TAPS, 1.0, x),
    "upfirdn": lambda function, x: function(_TAPS, x),
}


def _of_peer(module: str, name: str) -> Callable[[Any, Mapping[str, Any]], Any]:
    function = getattr(import_module(f"faltung.compat.{module}"), name)
    if name in _ARRAY_LATER:
        return lambda x, keywords: _ARRAY_LATER[name](function, x)
    arguments = _ARGUMENTS[module].get(name, lambda x: ())
    return lambda x, keywords: function(x, *arguments(x))


def calls() -> dict[str, Callable[[Any, Mapping[str, Any]], Any]]:
    """Return, for each function that takes an array, a call with an array and what its kind needs."""
    return {
        "faltung.convolve": lambda x, keywords: fa.convolve(x, KERNEL, **keywords),
        "faltung.correlate": lambda x, keywords: fa.correlate(x, KERNEL, **keywords),
        "faltung.Kernel": lambda x, keywords: KERNEL(x, **keywords),
        "faltung.Bank": lambda x, keywords: fa.Bank.stack([KERNEL, -KERNEL])(x, **keywords),
        "faltung.plan": lambda x, keywords: fa.plan(x, KERNEL, **keywords),
        "faltung.local_mean": lambda x, keywords: fa.local_mean(x, _WINDOW, **keywords),
        "faltung.local_var": lambda x, keywords: fa.local_var(x, _WINDOW, **keywords),
        "faltung.local_std": lambda x, keywords: fa.local_std(x, _WINDOW, **keywords),
        "faltung.local_cov": lambda x, keywords: fa.local_cov(x, x, _WINDOW, **keywords),
        "faltung.local_corr": lambda x, keywords: fa.local_corr(x, x, _WINDOW, **keywords),
        "faltung.operator": lambda x, keywords: fa.operator(KERNEL, SAMPLES.shape)(x),
        "faltung.restore.richardson_lucy": lambda x, keywords: fa.restore.richardson_lucy(
            _magnitudes(x), KERNEL, 2, axes=-1
        ),
        "faltung.restore.tikhonov": lambda x, keywords: fa.restore.tikhonov(x, KERNEL, 0.1, axes=-1),
        "faltung.restore.wiener": lambda x, keywords: fa.restore.wiener(x, KERNEL, 0.1, axes=-1),
        "faltung.match": lambda x, keywords: fa.match(x, _TEMPLATE, **{"axes": -1, **keywords}),
        "faltung.peaks": lambda x, keywords: fa.peaks(x).scores,
        "faltung.gradient": lambda x, keywords: fa.gradient(x, [1.0], **keywords),
        "faltung.hessian": lambda x, keywords: fa.hessian(x, [1.0], **keywords),
        "faltung.structure_tensor": lambda x, keywords: fa.structure_tensor(x, [1.0], [1.0], **keywords),
        "faltung.scale_space": lambda x, keywords: fa.scale_space(x, [1.0, 2.0], "log", **keywords),
        "faltung.atrous": lambda x, keywords: fa.atrous(x, 2, fa.binomial(4, ndim=1), **keywords)[1],
        "faltung.varying": lambda x, keywords: fa.varying(x, [KERNEL, _WINDOW], (0.5, 0.5), **keywords),
        "faltung.resample": lambda x, keywords: fa.resample(x, 3, 2, **keywords),
        "faltung.pyramid": lambda x, keywords: fa.pyramid(x, 2, **(keywords or {"axes": -1}))[1],
        "faltung.fit_filter": lambda x, keywords: fa.fit_filter(x, x, 3, axes=-1),
        "faltung.fit.fit_filter_by_gradient": lambda x, keywords: fa.fit.fit_filter_by_gradient(
            x, x, 3, axes=-1, iterations=1, workers=1
        ),
        "faltung.Stream": lambda x, keywords: _pushed(x),
        "faltung.layers.Conv": lambda x, keywords: _layer(x),
        "faltung.chunked.apply": lambda x, keywords: _from_storage(x),
        **{
            f"faltung.compat.{module}.{name}": _of_peer(module, name)
            for module in _ARGUMENTS
            for name in import_module(f"faltung.compat.{module}").__all__
        },
    }
