"""Blocks of the diffusion transformer: what they are at the start, and what they do not know."""

import pytest
import torch

from stbench.errors import StbenchError
from stbench.toolbox.nn.dit import Block, FinalLayer, TimeEmbedding, initialise, sinusoid


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def fresh(module):
    initialise(module, torch.Generator().manual_seed(0))
    return module


def trained(module):
    """Weights as they may be after training: none is zero."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.3, generator=generator)
    return module


def test_fresh_block_is_the_identity_and_fresh_final_layer_is_zero():
    x, condition = normal(2, 5, 16), normal(2, 5, 16, seed=1)
    assert torch.equal(fresh(Block(16, 4, 1e-6))(x, condition), x)
    assert torch.equal(fresh(FinalLayer(16, 3, 1e-6))(x, condition), torch.zeros(2, 5, 3))


def test_block_by_hand_for_one_token():
    """A token alone attends to itself: attention is its value, projected."""
    block = trained(Block(8, 2, 1e-6))
    x, condition = normal(1, 1, 8), normal(1, 1, 8, seed=1)
    s1, k1, g1, s2, k2, g2 = block.modulation(condition).chunk(6, dim=-1)

    def norm(h):
        return (h - h.mean(-1, keepdim=True)) / (h.var(-1, keepdim=True, correction=0) + 1e-6).sqrt()

    value = torch.nn.functional.linear(
        (1 + k1) * norm(x) + s1, block.attention.qkv.weight[16:], block.attention.qkv.bias[16:]
    )
    h = x + g1 * block.attention.out(value)
    h = h + g2 * block.mlp((1 + k2) * norm(h) + s2)
    torch.testing.assert_close(block(x, condition), h)


def test_block_knows_no_order_of_tokens():
    block = trained(Block(16, 4, 1e-6))
    x, condition, order = normal(2, 5, 16), normal(2, 5, 16, seed=1), [3, 0, 4, 1, 2]
    expected = block(x, condition)[:, order]
    torch.testing.assert_close(block(x[:, order], condition[:, order]), expected)
    assert (block(x[:, :1], condition[:, :1]) - block(x, condition)[:, :1]).abs().max() > 1e-2


def test_one_condition_serves_all_tokens():
    block, x, condition = trained(Block(16, 4, 1e-6)), normal(2, 5, 16), normal(1, 1, 16, seed=1)
    torch.testing.assert_close(block(x, condition), block(x, condition.expand(2, 5, 16)))


def test_time_features_are_cosines_then_sines():
    features = sinusoid(torch.tensor([[0, 7]]))
    assert features.shape == (1, 2, 256)
    assert torch.equal(features[0, 0], torch.cat((torch.ones(128), torch.zeros(128))))
    time = torch.tensor(7.0)
    torch.testing.assert_close(features[0, 1, [0, 128]], torch.stack((time.cos(), time.sin())))
    torch.testing.assert_close(features[0, 1, 64 + 128], (time / 100).sin())


def test_initialisation_depends_on_its_generator_alone():
    def weights(seed):
        module = torch.nn.ModuleList((TimeEmbedding(16), Block(16, 4, 1e-6)))
        initialise(module, torch.Generator().manual_seed(seed))
        return torch.nn.utils.parameters_to_vector(module.parameters())

    torch.manual_seed(1)
    first = weights(0)
    torch.manual_seed(2)
    assert torch.equal(weights(0), first)
    assert not torch.equal(weights(1), first)
    time = fresh(TimeEmbedding(64))
    assert time[0].weight.std().item() == pytest.approx(0.02, rel=0.05)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(StbenchError, match="width 16 cannot have 3 heads"):
        Block(16, 3, 1e-6)
