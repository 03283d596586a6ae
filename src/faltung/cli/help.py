"""How does a command explain itself? In plain text that fits any width: nothing is cut."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

__all__ = ["ExplainedCommand", "ExplainedGroup", "explained"]

#: Widest text: longer lines are hard to read.
_WIDEST = 90
_HEADING = "Examples\n--------\n"


class _Explained:
    """What commands and groups share: their help, and the usage that precedes an error."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        formatter.write(explained(self, ctx))

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """Write the usage."""
        formatter.write(_usage(self, ctx, _width()))


class ExplainedCommand(_Explained, TyperCommand):
    """A command whose help has the form that `explained` makes."""


class ExplainedGroup(_Explained, TyperGroup):
    """All commands together, whose help has the form that `explained` makes."""


def explained(command: Any, ctx: Any) -> str:
    """Return the help of a command: usage, text, examples, arguments, options and commands."""
    width = _width()
    text, _, examples = (command.help or "").partition(_HEADING)
    arguments = [param for param in command.get_params(ctx) if param.param_type_name == "argument"]
    options = [param for param in command.get_params(ctx) if param.param_type_name == "option" and not param.hidden]
    parts = [_usage(command, ctx, width)]
    parts += [_filled(paragraph, width) for paragraph in text.split("\n\n") if paragraph.strip()]
    if examples:
        lines = "\n".join(f"  {line.strip()}" for line in examples.splitlines() if line.strip())
        parts.append(f"{_title('Examples')}\n{lines}")
    for title, params in (("Arguments", arguments), ("Options", options)):
        if params:
            parts.append("\n".join([_title(title), *(_described(param, width) for param in params)]))
    if hasattr(command, "commands"):
        parts.append("\n".join([_title("Commands"), *_listed(command.commands.values(), width)]))
    if command.epilog:
        parts.append(_filled(command.epilog, width))
    return "\n\n".join(parts) + "\n"


def _width() -> int:
    return max(20, min(shutil.get_terminal_size().columns - 1, _WIDEST))


def _usage(command: Any, ctx: Any, width: int) -> str:
    arguments = [_name(param) for param in command.get_params(ctx) if param.param_type_name == "argument"]
    pieces = [ctx.command_path, "[OPTIONS]", *arguments, *(["COMMAND"] if hasattr(command, "commands") else [])]
    return _filled(f"Usage: {' '.join(pieces)}", width, hang="       ")


def _title(text: str) -> str:
    return typer.style(f"{text}:", bold=True)


def _filled(text: str, width: int, indent: str = "", hang: str | None = None) -> str:
    words = " ".join(text.split())
    after = indent if hang is None else hang
    # A long word, such as a path, is put on a line of its own, and never cut.
    lines = textwrap.wrap(
        words, width, initial_indent=indent, subsequent_indent=after, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines)


def _described(param: Any, width: int) -> str:
    """Return an option or argument on one line, and below it what it does."""
    return f"  {_name(param)}\n" + _filled(f"{param.help or ''} {_remark(param)}", width, indent="      ")


def _name(param: Any) -> str:
    if param.param_type_name == "argument":
        name = (param.metavar or param.name.upper()).strip("[].")
        name += "..." * (param.nargs == -1)
        return name if param.required else f"[{name}]"
    names = sorted([*param.opts, *param.secondary_opts], key=lambda name: name.startswith("--"))  # -k comes first
    return ", ".join(names) + ("" if param.is_flag else f" {param.metavar or 'VALUE'}")


def _remark(param: Any) -> str:
    """Return what is said of every option in the same way: whether it is required, or what holds without it."""
    said = [f"variable: {param.envvar}"] if param.envvar else []
    shown, default = param.show_default, param.default
    is_flag = param.param_type_name == "option" and param.is_flag
    if param.required:
        said.append("required")
    elif isinstance(shown, str):
        said.append(f"default: {shown}")
    elif shown and is_flag and param.secondary_opts:
        said.append(f"default: {(param.opts if default else param.secondary_opts)[0]}")
    elif shown and default is not None and not is_flag:
        said.append(f"default: {default:g}" if isinstance(default, float) else f"default: {default}")
    return f"[{'; '.join(said)}]" if said else ""


def _listed(commands: Iterable[Any], width: int) -> Iterator[str]:
    """Yield each command with its first sentence."""
    shown = [command for command in commands if not command.hidden]
    longest = max(len(command.name) for command in shown) + 4
    for command in shown:
        sentence = " ".join((command.help or "").partition("\n\n")[0].split())
        begin = f"  {command.name}".ljust(longest)
        yield _filled(sentence, width, indent=begin, hang=" " * longest)
