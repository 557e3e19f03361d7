"""A prepared pair in one line."""

from __future__ import annotations

from stbench.data.prepare import Pair


def describe(pair: Pair) -> str:
    """One line on a prepared dataset: sizes, what left, what was inferred."""
    report = pair.report
    parts = [
        f"{pair.name}: {report['cells']} of {report['cells_raw']} cells",
        f"{report['spots']} of {report['spots_raw']} spots",
        f"{report['genes']} of {report['genes_shared']} shared genes",
    ]
    if report["genes_constant"]:
        parts.append(f"{report['genes_constant']} constant genes left out")
    if report["genes_differing_in_case"]:
        count = len(report["genes_differing_in_case"])
        parts.append(
            f"{count} genes differ in case only and are not matched ({report['genes_differing_in_case'][0]})"
        )
    parts += [f"WARNING: {difference}" for difference in report["unexpected"]]
    if report["inferred"]:
        parts.append("inferred " + ", ".join(f"{key}={value}" for key, value in report["inferred"].items()))
    return ", ".join(parts)
