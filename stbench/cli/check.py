"""``stbench check``: whether a method keeps the contract, and what to change if it does not."""

from __future__ import annotations

import inspect
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from stbench.cli.options import Plugins
from stbench.config.values import settings
from stbench.config.variants import choose_preset, configure, variants
from stbench.errors import StbenchError
from stbench.method import REGISTRY, Method
from stbench.plugins import load_plugin

if TYPE_CHECKING:
    from stbench.testing.contract import Verdict

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


@app.callback()
def check() -> None:
    """Check a plugin against its contract.

    Example: stbench check method my_method.py
    """


@app.command("method")
def method(
    target: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="A method, or a file that defines methods.")
    ],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="method.parameter=value; may be repeated.")
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Only the checks that fit into ten seconds, for every change.")
    ] = False,
    plugin: Plugins = None,
) -> None:
    """Check a method on tiny data. At the first failure: the line of code, and what to change there.

    The checks are about shapes, side effects, seeds, odd input, leaks and cost.
    Examples: stbench check method spage; stbench check method my_method.py --set my_method.n_epochs=5
    """
    from stbench.testing.contract import CHECKS, check_method

    classes = _defined(target)
    for cls in classes:
        if missing := cls.missing():
            raise StbenchError(f"'{cls.info.name}' cannot be checked here: it {missing}")
    failed, unchecked, left = 0, len(classes) * len(CHECKS), set(CHECKS)
    for variant in variants(classes, settings(set_ or [])):
        cls = variant.cls
        print(f"{cls.info.name}, version {cls.info.version}", flush=True)
        configured = configure(cls, choose_preset(cls, None, "cpu"), variant.parameters)
        with TemporaryDirectory(prefix="stbench-check-") as scratch:
            for verdict in check_method(configured, Path(scratch), fast=fast):
                print(_shown(verdict), flush=True)
                left.discard(verdict.check.name)
                unchecked -= 1
                failed += bool(verdict.problem)
    if failed:
        print(f"{failed} failed, {unchecked} not checked. Correct the code that is named above and repeat.")
        raise typer.Exit(1)
    if left:
        names = ", ".join(name for name in CHECKS if name in left)
        print(f"{len(CHECKS) - len(left)} checks passed, not checked: {names}. Do so without --fast.")
        return
    print("All checks passed.")


def _defined(target: str) -> list[type[Method]]:
    """The method with the name ``target``, or the methods that the file ``target`` defines."""

    def in_file() -> list[type[Method]]:
        return [cls for cls in REGISTRY.items().values() if Path(inspect.getfile(cls)) == file.resolve()]

    file = Path(target)
    if file.suffix not in (".py", ".toml"):
        return [REGISTRY.get(target)]
    if not in_file():  # files in the methods folder are loaded already
        load_plugin(file)
    if not in_file():
        raise StbenchError(
            f"'{file}' registers no method. Decorate its class with stbench.methods.register; a wrapper is "
            f"checked around a method, as in: stbench check method 'wrapper(method)' --plugin {file}"
        )
    return in_file()


def _shown(verdict: Verdict) -> str:
    name = f"{verdict.check.name:17}"
    if not verdict.problem:
        return f"  ok      {name} {verdict.check.promise} {verdict.remark}".rstrip()
    line = f"\n          at: {verdict.line}" if verdict.line else ""
    return f"  FAILED  {name} {verdict.problem}{line}\n          to change: {verdict.remedy}"
