"""``module:function`` on the command line: somebody's own Python, imported from the current folder."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from traceback import walk_tb
from typing import Any

from tinyedge.errors import UsageError

_FORM = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_entry_point(text: str) -> bool:
    """Whether ``text`` has the form ``module:function`` and is not the name of something on disk."""
    return _FORM.fullmatch(text) is not None and not Path(text).exists()


def call_entry_point(text: str, flag: str, *arguments: Any) -> Any:
    """What the function returns, called with ``arguments`` if it takes that many, else with none.

    Args:
        text: ``module:function``; the module is looked for in the current folder first.
        flag: that it was given with, for messages.
        arguments: for a function that takes them.

    Raises:
        UsageError: where there is no such module or function, the import fails, or the call raises.
    """
    with _current_folder():
        function = _function(text, flag)
        try:
            return function(*arguments[: _taken(function)])
        except (Exception, SystemExit) as error:  # whatever somebody's code raises
            raise UsageError(
                "the function raises an error",
                where=f"{flag} {text}{_line(error)}",
                found=f"{type(error).__name__}: {error}",
            ) from error


def _function(text: str, flag: str) -> Callable[..., Any]:
    name, _, attribute = text.partition(":")
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        ours = error.name is not None and (name == error.name or name.startswith(error.name + "."))
        raise UsageError(
            "there is no such module" if ours else "the module imports something that is not installed",
            where=f"{flag} {text}",
            found=error,
            expected=f"{name.replace('.', '/')}.py in the current folder, or an installed package",
            fix="run from the folder that holds it" if ours else f"pip install what provides {error.name}",
        ) from error
    except (Exception, SystemExit) as error:
        raise UsageError(
            "the module cannot be imported",
            where=f"{flag} {text}{_line(error)}",
            found=f"{type(error).__name__}: {error}",
        ) from error
    function = getattr(module, attribute, None)
    if not callable(function):
        names = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
        close = get_close_matches(attribute, names, n=1)
        raise UsageError(
            "the module has no such function",
            where=f"{flag} {text}",
            found=", ".join(names[:8]) or "no function",
            expected=attribute,
            fix=f"did you mean {name}:{close[0]}?" if close else None,
        )
    result: Callable[..., Any] = function
    return result


def _taken(function: Callable[..., Any]) -> int:
    """How many positional arguments the function must be given, or may be."""
    import inspect

    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # builtins without a signature
        return 0
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(parameter.kind in positional for parameter in parameters)


def _line(error: BaseException) -> str:
    """Where in somebody's code it was raised: its last line in the traceback, or the one that cannot be parsed."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f", {Path(error.filename).name} line {error.lineno}"
    frames = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    theirs = [(file, line) for file, line in frames if file != __file__ and not file.startswith("<frozen importlib")]
    return f", {Path(theirs[-1][0]).name} line {theirs[-1][1]}" if theirs else ""


@contextmanager
def _current_folder() -> Iterator[None]:
    """The current folder first among those that are imported from; only for the time of the call."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        if here in sys.path:
            sys.path.remove(here)
