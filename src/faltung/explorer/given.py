"""What is shown of what was given? Arrays, kernels, networks, runs and files, each in the view that is about it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.explorer.explored import VIEWS, Explorer
from faltung.explorer.filter_subject import FilterSubject
from faltung.explorer.learning_subject import LearningSubject
from faltung.explorer.network_subject import NetworkSubject
from faltung.explorer.opened import open_file, opened_array
from faltung.explorer.saved_state import is_saved_state, saved_state
from faltung.explorer.subject import PageSubject
from faltung.explorer.upload_subject import UploadSubject
from faltung.ground.targets import Inputs
from faltung.kernels import Kernel, parse

__all__ = ["explore"]


def explore(
    thing: object = None,
    beside: object = None,
    /,
    *,
    channel_axis: int | None = None,
    classes: Sequence[str] | None = None,
    view: str | None = None,
    views: Sequence[str] = VIEWS,
) -> Explorer:
    """Look at a filter, a network or a run: in a notebook, in the browser, or in a file.

    The last line of a cell in Jupyter or marimo shows the page. ``explore(...).serve()`` opens it in the browser, and
    ``explore(...).save("page.html")`` writes one file that needs no Python.

    Parameters
    ----------
    thing : array, Kernel, torch.nn.Module or path, optional
        What is looked at:

        - a signal or a picture: an array of NumPy, torch, xarray or another library, of real numbers;
        - a kernel;
        - a network of torch;
        - a folder that ``faltung learn`` wrote, also while it learns;
        - a file with a picture, a sound, an array (``.npy``) or a table of numbers (``.csv``);
        - a file ``.json`` that "Save state" of the page wrote.

        By default, a photograph.
    beside : Kernel, str, array or tensor, optional
        For a signal or a picture the kernel, as a value or as text such as ``"gaussian(2) * sobel(axis=1)"``. For a
        network an example of its input, which is needed.
    channel_axis : int, optional
        The axis of an array that holds channels. By default, three or four samples at the end of a picture are its
        colours.
    classes : sequence of str, optional
        Names of the classes that a network tells apart.
    view : str, optional
        The view that is shown first: ``"filter"``, ``"algebra"``, ``"network"`` or ``"learning"``. By default the one
        that is about `thing`, or the first of `views` if they lack it.
    views : sequence of str, optional
        The views that the page has. By default it has all; a saved page without ``"network"`` is much smaller.

    Returns
    -------
    Explorer
        The page, with the methods `Explorer.serve` and `Explorer.save`.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        `thing` is nothing that can be shown, or `beside` does not fit to it.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> image = np.zeros((32, 32))
    >>> page = fa.explore(image, fa.sobel(axis=1))
    >>> page.save("page.html").name  # doctest: +SKIP
    'page.html'
    """
    address = ""
    inputs = Inputs([Path(thing)] if isinstance(thing, str | os.PathLike) else [])
    if isinstance(thing, str | os.PathLike) and is_saved_state(Path(thing)):
        _refuse_beside(beside, "a saved state")
        address, thing = saved_state(Path(thing)), None
    subjects, about = _subjects(thing, beside, channel_axis, classes)
    _check_views(views)
    first = view or (about if about in views else views[0])
    if first not in views:
        raise ArgumentError("view", f"one of {', '.join(views)}", f"{first!r:.60}")
    views = [name for name in VIEWS if name in views]
    # All views take their pictures from that of filters.
    shown = [subject for subject in subjects if subject.name in (*views, "filter")]
    state: dict[str, object] = {}
    for subject in shown:
        state |= subject.state()
    if first != views[0]:
        state["view"] = first
    return Explorer([*shown, UploadSubject()], state, views=views, address=address, inputs=inputs)


def _check_views(views: object) -> None:
    expected = f"some of {', '.join(VIEWS)}"
    if not isinstance(views, list | tuple):
        raise ArgumentTypeError("views", expected, f"{views!r:.60}", "Pass a list, such as ['filter'].")
    if not views or not all(name in VIEWS for name in views):
        raise ArgumentError("views", expected, f"{views!r:.60}")


def _subjects(
    thing: Any, beside: Any, channel_axis: int | None, classes: Sequence[str] | None
) -> tuple[list[PageSubject], str]:
    """Return what is shown, and the view that is about it."""
    if _is_network(thing):
        if beside is None:
            remedy = "Pass one, such as explore(network, torch.zeros(1, 3, 224, 224))."
            raise ArgumentTypeError("beside", "an example of the network's input", "None", remedy)
        network = NetworkSubject(thing, beside, classes)
        return [FilterSubject(), network, LearningSubject()], "network"
    if classes is not None:
        raise ArgumentError("classes", "None unless a network is given", f"{classes!r:.60}")
    if isinstance(thing, str) and not thing:
        raise ArgumentError("thing", "the path of a file or of a run folder", "an empty path")
    if isinstance(thing, str | os.PathLike) and (path := Path(thing)).is_dir():
        _refuse_beside(beside, "a run")
        subjects = [FilterSubject(), NetworkSubject(run=path), LearningSubject(path)]
        return subjects, "learning" if _goes_on(path) else "network"
    return [_filter_subject(thing, beside, channel_axis), NetworkSubject(), LearningSubject()], "filter"


def _filter_subject(thing: Any, beside: Any, channel_axis: int | None) -> FilterSubject:
    if isinstance(thing, Kernel):
        _refuse_beside(beside, "a kernel")
        return FilterSubject(kernel=thing)
    kernel = _kernel(beside)
    if thing is None:
        return FilterSubject(kernel=kernel)
    if isinstance(thing, str | os.PathLike):
        opened = open_file(Path(thing), "thing")
    else:
        opened = opened_array(thing, channel_axis)
    return FilterSubject(opened, kernel)


def _kernel(beside: Any) -> Kernel | None:
    if beside is None or isinstance(beside, Kernel):
        return beside
    return parse(beside) if isinstance(beside, str) else Kernel(beside)


def _refuse_beside(beside: object, what: str) -> None:
    if beside is not None:
        remedy = "Give the array first: explore(array, kernel)." if what == "a kernel" else ""
        received = "a Kernel" if isinstance(beside, Kernel) else type(beside).__name__
        raise ArgumentTypeError("beside", f"nothing beside {what}", received, remedy)


def _goes_on(run: Path) -> bool:
    from faltung.networks.stored import is_unfinished

    return is_unfinished(run)


def _is_network(thing: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(thing, torch.nn.Module)
