"""``stbench audit``: the published protocol on any dataset."""

from __future__ import annotations

from dataclasses import replace

from stbench.cli.options import takes
from stbench.cli.progress import live
from stbench.config.options import AuditOptions
from stbench.errors import require_package
from stbench.files import writable_folder


@takes(AuditOptions, "splits", "seeds", "sweep", "overwrite", "emit", "dry_run")
def audit(options: AuditOptions) -> None:
    """Score predictions with and without the hidden truth copied into them, as the published code does.

    Example: stbench audit --datasets pdac_a_st --methods kernel,spage
    """
    from stbench.audit.audit import audit as run_audit
    from stbench.audit.page import write_audit

    require_package("untrained decoder", "torch", "PyTorch", "torch")
    runs = replace(options, out=writable_folder(options.out) / "results")
    with live() as reporter:
        found = run_audit(runs, reporter)
    for path in write_audit(found, options.out):
        print(f"Wrote {path}")
