"""The command line: the commands are in the modules of this package.

A command imports large packages when it needs them.
"""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from stbench import __version__
from stbench.cli import (
    applied,
    blind,
    check,
    data,
    doctor,
    listing,
    new,
    results,
    run,
    status,
)
from stbench.errors import StbenchError

app = typer.Typer(
    help="A fair benchmark of methods that predict unmeasured genes in spatial transcriptomics.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
PANELS = {
    "Run": (run.run, status.status, run.run_one),
    "Judge": (
        *(results.leaderboard, results.compare, results.show, results.score, run.audit),
        *(results.pack, results.merge, results.verify),
    ),
    "Exchange": (blind.export, blind.submit),
    "Use": (applied.choose, applied.predict),
    "Extend": (new.new, listing.list_plugins, doctor.doctor, doctor.env),
}
for panel, commands in PANELS.items():
    for command in commands:
        name = "list" if command is listing.list_plugins else None
        app.command(name, rich_help_panel=panel)(command)
app.add_typer(check.app, name="check", rich_help_panel="Extend")
app.add_typer(data.app, name="data", rich_help_panel="Data")


def _version(asked: bool) -> None:
    if asked:
        print(f"stbench {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options of every command; ``--debug`` is read in `main`."""


class _Print(logging.Handler):
    """Prints each message as it is; a progress bar of rich moves below it."""

    def emit(self, record: logging.LogRecord) -> None:
        print(record.getMessage(), flush=True)


def main() -> None:
    """Entry point: a mistake of the user is one line and exit code 1, a bug shows its traceback."""
    messages, printer = logging.getLogger("stbench"), _Print()
    messages.setLevel(logging.INFO)
    messages.addHandler(printer)
    messages.propagate = False
    try:
        app()
    except StbenchError as error:
        if "--debug" in sys.argv:
            raise
        print(f"Error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
    finally:  # a caller in Python gets its logging back
        messages.removeHandler(printer)
        messages.setLevel(logging.NOTSET)
        messages.propagate = True
