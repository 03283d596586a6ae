"""What was typed for this argument? Errors of functions name options and arguments as they are typed."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from inspect import signature
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from faltung.cli.kept_inputs import check_outputs
from faltung.errors import ArgumentError, ArgumentTypeError, MissingExtraError, lacks_learning

__all__ = ["message_of", "naming_what_was_typed", "typed_names"]


def typed_names(command: Callable[..., None]) -> dict[str, str]:
    """Return for each parameter of a command what is typed for it: ``--mode``, or ``IMAGE``.

    Examples
    --------
    >>> from faltung.cli.plan import plan
    >>> typed_names(plan)
    {'kernel': '--kernel', 'image': 'IMAGE', 'shape': '--shape', 'dtype': '--dtype', 'mode': '--mode',
    'axes': '--axes'}
    """
    hints = get_type_hints(command, include_extras=True)
    names = {}
    for name in signature(command).parameters:
        if get_origin(hints[name]) is Annotated:
            (told,) = get_args(hints[name])[1:]
            option = f"--{name.replace('_', '-')}"
            # In an annotation, typer keeps the first name where it keeps a default otherwise.
            given = [text for text in map(str, (told.default, *(told.param_decls or ()))) if text.startswith("--")]
            names[name] = (given or [option])[0] if told.__class__.__name__ == "OptionInfo" else _bare(told.metavar)
    return names


#: What the functions behind a command call its arguments, where the command has another name for them.
_OTHER_NAMES = {
    "apply": {"x": "IMAGE", "source": "IMAGE", "out": "--output", "dims": "--axes"},
    "plan": {"x": "IMAGE"},
    "pyramid": {"source": "IMAGE", "out": "OUTPUT"},
    "fit": {"x": "BEFORE", "y": "AFTER"},
    "explore": {"beside": "--kernel"},
}


def message_of(error: BaseException, command: Callable[..., None]) -> str:
    """Return the message of an error, with the names of options and arguments as they are typed."""
    if isinstance(error, MemoryError):
        return f"the memory of this machine does not suffice. {error}".strip()
    if not isinstance(error, ArgumentError | ArgumentTypeError):
        return str(error)
    names = {**typed_names(command), **_OTHER_NAMES.get(command.__name__, {})}
    return _renamed(str(error), error.argument, names)


def naming_what_was_typed(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command whose errors name what was typed."""

    @functools.wraps(command)
    def renaming(*arguments: Any, **options: Any) -> None:
        try:
            check_outputs(command, options)
            command(*arguments, **options)
        except (ArgumentError, ArgumentTypeError) as error:
            error.args = (message_of(error, command),)
            raise
        except MissingExtraError as error:
            raise MissingExtraError(f"faltung {command.__name__}", error.extra) from error
        except ModuleNotFoundError as error:
            if not lacks_learning(error):
                raise
            raise MissingExtraError(f"faltung {command.__name__}", "learn") from error

    return renaming


def _bare(metavar: str) -> str:
    return metavar.strip("[].")


def _renamed(message: str, argument: str, names: Mapping[str, str]) -> str:
    """Return a message with the names that were typed: of its argument, of others in it, and in its remedy."""
    if argument in names:
        message = names[argument] + message.removeprefix(argument)
    for name, typed in names.items():
        message = re.sub(rf"\b{name}=True\b", typed, message)  # a flag
        message = re.sub(rf"\b{name}='?([\w.]+)'?", rf"{typed} \1", message)
        message = re.sub(rf"\bpass {name}=(?=\s)", f"add {typed}", message)
        if len(name) == 1:
            message = re.sub(rf"\b(of|as|like|extend|Pass) {name}\b", rf"\1 {typed}", message)
    return message
