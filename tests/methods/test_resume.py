"""Trained methods go on from a checkpoint to the answer that they give uninterrupted, bit by bit."""

import numpy as np
import pytest

from stbench.methods import REGISTRY, Context

TINY = {
    "causalged": {
        "hidden": 16, "latent": 4, "width": 16, "depth": 1, "heads": 2, "pretrain_steps": 2, "seq_genes": 20,
        "batch": 1, "steps": 8, "val_every": 1, "val_steps": 2, "patience": 4, "n_samples": 2,
        "sample_steps": 2,
    },
    "spadit": {
        "hidden": 8, "depth": 1, "heads": 2, "timesteps": 50, "batch": 7, "lr": 1e-3, "max_updates": 8,
        "check_every": 1, "sampling_steps": 2, "n_samples": 2,
    },
    "stdiff": {
        "width": 16, "batch": 32, "depth": 1, "heads": 2, "max_updates": 8, "checks": 8, "sampling_steps": 2,
        "check_steps": 2, "n_samples": 2,
    },
}  # fmt: skip


@pytest.mark.parametrize("interrupted_at", [3, -1], ids=["search", "second training"])
@pytest.mark.parametrize("name", TINY)
def test_an_interrupted_run_goes_on_to_the_same_answer(
    name, interrupted_at, make_task, tmp_path, monkeypatch
):
    monkeypatch.setattr("stbench.toolbox.nn.checkpoint.SAVE_SECONDS", 0.0)
    method = REGISTRY.get(name)(**TINY[name])
    task, _ = make_task()
    whole, reports = [], []
    expected = method.predict(task, Context(progress=lambda *a, **info: whole.append(a)))
    interrupted_at %= len(whole) + 1
    assert (whole[interrupted_at - 1][0] > 8) == (interrupted_at > 3)  # which half of the progress it is in

    def interrupt(done, total, **info):
        reports.append((done, total))
        if len(reports) == interrupted_at:
            raise KeyboardInterrupt

    ctx = Context(checkpoint=tmp_path / "state", progress=interrupt)
    with pytest.raises(KeyboardInterrupt):
        method.predict(task, ctx)
    assert np.array_equal(method.predict(task, ctx), expected)
    assert reports[interrupted_at - 1] == reports[interrupted_at]  # what was not saved is done again
    assert len(reports) == len(whole) + 1
