"""How long a network trains: chosen on the validation genes, then done anew with all visible genes."""

import numpy as np
import pytest
import torch
from anndata import AnnData

from stbench.methods import Context, Task
from stbench.toolbox.nn.training import train_and_predict


@pytest.fixture
def task():
    """Ten visible genes, of which two are for validation, and one target, as intensities."""
    rng = np.random.default_rng(0)
    reference, spatial = AnnData(rng.random((30, 11))), AnnData(rng.random((40, 10)))
    reference.var_names = [f"gene{i}" for i in range(11)]
    spatial.var_names = reference.var_names[:10]
    spatial.var["split"] = ["val"] * 2 + ["train"] * 8
    return Task(reference, spatial, ["gene10"], "intensity")


class Scripted:
    """A learner whose check has a planned correlation with the truth: ``quality[number of updates]``."""

    made: list

    def __init__(self, task, truth, quality):
        self.task, self.truth, self.quality, self.updates = task, truth, quality, 0
        Scripted.made.append(self)

    def update(self):
        self.updates += 1
        return torch.tensor(1.0 / self.updates)

    def check(self):
        noise = np.random.default_rng(0).normal(size=self.truth.shape)
        return self.quality[self.updates] * self.truth + noise

    def state(self):
        return {"updates": self.updates}

    def restore(self, state):
        self.updates = state["updates"]

    def predict(self):
        return np.full((self.task.spatial.n_obs, len(self.task.targets)), float(self.updates))


def run(task, quality, **options):
    """Prediction, the two learners, and what was reported as (done, total)."""
    Scripted.made, seen = [], []
    _, truth = task.validation()
    ctx = Context(progress=lambda done, total, **info: seen.append((done, total)))
    answer = train_and_predict(lambda part: Scripted(part, truth, quality), task, ctx, **options)
    return answer, Scripted.made, seen


def test_second_learner_takes_as_many_updates_as_the_best_check_had(task):
    quality = {4: 1.0, 8: 30.0, 12: 5.0, 14: 6.0}
    answer, (first, second), seen = run(task, quality, max_updates=14, check_every=4)
    assert (first.updates, second.updates) == (14, 8)  # the last check is at the end
    assert first.task.visible == task.visible[2:]
    assert first.task.targets == task.visible[:2]
    assert second.task is task
    assert (answer == 8).all()
    assert seen == [(4, 28), (8, 28), (12, 28), (14, 28), (24, 28), (28, 28)]


def test_patience_ends_the_search(task):
    quality = {2: 1.0, 4: 9.0, 6: 2.0, 8: 2.0, 10: 99.0}
    _, (first, second), _ = run(task, quality, max_updates=100, check_every=2, patience=2)
    assert (first.updates, second.updates) == (8, 4)


def test_ties_go_to_the_earlier_check(task):
    _, (_, second), _ = run(task, {1: 1.0, 2: 1.0}, max_updates=2, check_every=1)
    assert second.updates == 1
