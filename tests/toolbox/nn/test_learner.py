"""What diffusion models share in training: the optimiser, the batches, the state, the seeds."""

import pytest
import torch
from torch import nn

from stbench.methods import Context
from stbench.toolbox.nn.diffusion import Diffusion
from stbench.toolbox.nn.learner import DiffusionLearner, Optimisation, build, even_batches, generator


class Steep(DiffusionLearner[nn.Linear]):
    """One weight, whose loss is steep, with noise of its own in every update."""

    def loss(self, rows):
        noise = torch.randn((), generator=self.generator)
        return 1000 * self.net.weight.square().sum() + noise * self.net.weight.sum() * rows.sum()


def steep(**changes):
    net = nn.Linear(2, 1, bias=False)
    nn.init.constant_(net.weight, 3.0)
    diffusion, optimisation = Diffusion(5, "eps", "cpu"), Optimisation(**{"lr": 0.1, **changes})
    return Steep(net, Context(), diffusion, optimisation, n_rows=10, batch=4)


def test_update_follows_the_gradient_with_its_norm_clipped():
    learner = steep()
    loss = learner.update()
    assert loss.item() == pytest.approx(18_000, rel=0.01)
    assert not loss.requires_grad
    torch.testing.assert_close(learner.net.weight.data, torch.full((1, 2), 2.9))  # AdamW: sign times rate
    assert learner.net.weight.grad.norm().item() == pytest.approx(1.0, abs=1e-4)


def test_every_epoch_takes_all_rows_in_a_new_order_in_batches_of_nearly_one_size():
    learner = steep()
    epochs = [[learner.next_batch().tolist() for _ in range(3)] for _ in range(2)]
    assert [len(batch) for batch in epochs[0]] == [4, 3, 3]
    first, second = ([row for batch in epoch for row in batch] for epoch in epochs)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert [batch.tolist() for batch in even_batches(torch.arange(5), 4)] == [[0, 1, 2], [3, 4]]


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_restored_learner_goes_on_to_the_bit_in_the_middle_of_an_epoch(ema, tmp_path):
    learner = steep(ema=ema)
    for _ in range(4):
        learner.update()
    torch.save(learner.state(), tmp_path / "state")
    restored = steep(ema=ema)
    restored.restore(torch.load(tmp_path / "state", weights_only=True))
    for _ in range(4):
        assert torch.equal(learner.update(), restored.update())
    assert torch.equal(learner.net.weight, restored.net.weight)
    assert torch.equal(learner.average.weight, restored.average.weight)
    assert (learner.average is learner.net) == (ema == 0)


def test_weights_come_from_the_seed_and_leave_the_global_generator_alone():
    state = torch.get_rng_state()
    first, again, other = (build(lambda: nn.Linear(4, 4), Context(seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)


def test_generators_differ_by_seed_and_purpose():
    draws = [
        torch.randn(3, generator=generator(seed, purpose)).tolist()
        for seed in (0, 1)
        for purpose in ("weights", "training", "sampling")
    ]
    assert len({tuple(draw) for draw in draws}) == 6
