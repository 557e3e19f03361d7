"""``stbench check``: whether a method keeps the contract, and what to change where it does not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stbench.config.variants import Variant
    from stbench.method import Method
    from stbench.testing.contract import Verdict

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def check() -> None:
    """Check a plugin against its contract. Example: stbench check method my_method.py"""


@app.command("method")
def method(
    target: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="A method, or a file that defines some.")
    ],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="method.parameter=value; may be repeated.")
    ] = None,
    plugin: Annotated[list[Path] | None, typer.Option(help="File or card with further plugins.")] = None,
) -> None:
    """Check a method on tiny data, up to the first check that fails: its line, and what to change there.

    The checks are about shapes, side effects, seeds, odd input, leaks and cost.
    Examples: stbench check method spage; stbench check method my_method.py --set my_method.n_epochs=5
    """
    from tempfile import TemporaryDirectory

    from stbench.config.values import settings
    from stbench.config.variants import variants
    from stbench.errors import StbenchError
    from stbench.plugins import load_plugin
    from stbench.testing.contract import CHECKS, check_method

    for file in plugin or []:
        load_plugin(file)
    classes = _defined(target)
    for cls in classes:
        if missing := cls.missing():
            raise StbenchError(f"'{cls.info.name}' cannot be checked here: it {missing}")
    chosen = variants(classes, settings(set_ or []))
    failed = unchecked = 0
    for cls, variant in zip(classes, chosen, strict=True):
        print(f"{cls.info.name}, version {cls.info.version}", flush=True)
        with TemporaryDirectory(prefix="stbench-check-") as scratch:
            verdicts = check_method(_configured(variant), Path(scratch))
            unchecked += len(CHECKS)
            for verdict in verdicts:
                print(_shown(verdict), flush=True)
                unchecked -= 1
                failed += bool(verdict.problem)
    if failed:
        print(f"{failed} failed, {unchecked} not checked. Correct what is named above and check again.")
        raise typer.Exit(1)
    print("All checks passed.")


def _defined(target: str) -> list[type[Method]]:
    """The method of that name, or those that the file of that path defines."""
    from stbench.errors import StbenchError
    from stbench.method import REGISTRY
    from stbench.plugins import load_plugin

    file = Path(target)
    if file.suffix not in (".py", ".toml"):
        return [REGISTRY.get(target)]
    if not _in_file(file):  # a file of the content folders is known already
        load_plugin(file)
    found = _in_file(file)
    if not found:
        raise StbenchError(f"'{file}' registers no method. Decorate its class with stbench.methods.register.")
    return found


def _in_file(file: Path) -> list[type[Method]]:
    import inspect

    from stbench.method import REGISTRY

    return [cls for cls in REGISTRY.items().values() if Path(inspect.getfile(cls)) == file.resolve()]


def _configured(variant: Variant) -> Method:
    from stbench.config.variants import choose_preset, configure

    return configure(variant.cls, choose_preset(variant.cls, None, "cpu"), variant.parameters)


def _shown(verdict: Verdict) -> str:
    name = f"{verdict.check.name:17}"
    if not verdict.problem:
        return f"  ok      {name} {verdict.check.promise} {verdict.remark}".rstrip()
    line = f"\n          at: {verdict.line}" if verdict.line else ""
    return f"  FAILED  {name} {verdict.problem}{line}\n          to change: {verdict.remedy}"
