"""How does a notebook show the explorer? As a widget of anywidget, which JupyterLab, marimo and others know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traitlets
from anywidget import AnyWidget

from faltung.explorer.es_module import es_module
from faltung.explorer.packing import pack

if TYPE_CHECKING:
    from faltung.explorer.subject import Shown

__all__ = ["ExplorerWidget"]


class ExplorerWidget(AnyWidget):
    """The page in a notebook: what it shows at once travels as traits, questions and answers as messages.

    Parameters
    ----------
    explorer : Shown
        What is shown.
    """

    _esm = es_module("main.js")
    host = traitlets.Unicode("notebook").tag(sync=True)
    version = traitlets.Unicode().tag(sync=True)
    content = traitlets.Dict().tag(sync=True)
    data = traitlets.Bytes().tag(sync=True)  # of the arrays; a trait of its own, as hosts lose bytes inside of others

    def __init__(self, explorer: Shown) -> None:
        content, data = pack(explorer.content())
        super().__init__(version=explorer.version, content=content, data=data)
        self._explorer = explorer
        self.on_msg(self._asked)

    def _asked(self, _: object, message: Any, buffers: list[Any]) -> None:
        if not isinstance(message, dict) or "ask" not in message:
            return
        data = buffers[0] if buffers else b""
        reply, answer = self._explorer.reply(message.get("question"), message.get("arguments"), data)
        self.send({"answer": message["ask"], **reply}, [answer])
