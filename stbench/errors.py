"""The errors that users see as one line. Every other exception is a bug and shows its traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib.util import find_spec


class StbenchError(Exception):
    """A mistake in the input; the message names the file, gene or option, and the remedy."""


class Unsupported(StbenchError):
    """The method does not apply to this task, for example without coordinates. This is not a failure."""


class HiddenGene(StbenchError, KeyError):
    """A method read the spatial values of a gene that it must predict."""

    __str__ = Exception.__str__


def unknown_name(what: str, name: str, known: Iterable[str]) -> StbenchError:
    """The error for an unknown name, with the closest known one and a list of all."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return StbenchError(f"Unknown {what} '{name}'.{hint} Known: {', '.join(known) or 'none'}.")


def first_line(error: BaseException) -> str:
    """The first line of the message of ``error``; its type where the message is empty."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def require_package(method: str, module: str, package: str, extra: str) -> None:
    """Raise unless ``module`` can be imported; the message names the package and the extra to install."""
    if find_spec(module) is None:
        raise StbenchError(f"Method '{method}' needs {package}. Install: pip install \"stbench[{extra}]\".")
