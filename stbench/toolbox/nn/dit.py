"""Parts of a diffusion transformer (Peebles and Xie 2023): time features, adaLN-zero blocks, final layer.

In the shapes, batch is the number of sequences and length the number of tokens of a sequence. A condition
has the shape of the tokens, or a length of 1 where all tokens share it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from stbench.errors import StbenchError

TIME_FEATURES = 256
TIME_PERIOD = 10_000
MLP_RATIO = 4


def sinusoid(time: Tensor) -> Tensor:
    """Features (..., 256) of times (...): cosines, then sines, of periods from 2 pi to 10,000 x 2 pi."""
    half = TIME_FEATURES // 2
    rates = torch.exp(-math.log(TIME_PERIOD) * torch.arange(half, device=time.device) / half)
    angles = time[..., None].float() * rates
    return torch.cat((angles.cos(), angles.sin()), dim=-1)


class TimeEmbedding(nn.Sequential):
    """Embedding (..., width) of times (...)."""

    def __init__(self, width: int):
        super().__init__(nn.Linear(TIME_FEATURES, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, time: Tensor) -> Tensor:
        h: Tensor = super().forward(sinusoid(time))  # type: ignore[no-untyped-call]  # torch has no type here
        return h


class Attention(nn.Module):
    """Multi-head attention among the tokens of a sequence."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        if width % heads:
            raise StbenchError(f"A network of width {width} cannot have {heads} heads: take a divisor.")
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        h = scaled_dot_product_attention(q, k, v)  # (batch, heads, length, width / heads)
        out: Tensor = self.out(h.transpose(1, 2).flatten(2))  # (batch, length, width)
        return out


class Block(nn.Module):
    """adaLN-zero block: attention and MLP whose shift, scale and gate come from the condition.

    The gates start at zero, so that a new block is the identity.
    """

    def __init__(self, width: int, heads: int, eps: float):
        super().__init__()
        self.modulation = nn.Linear(width, 6 * width)
        self.norm = nn.LayerNorm(width, eps=eps, elementwise_affine=False)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(
            nn.Linear(width, MLP_RATIO * width), nn.GELU(), nn.Linear(MLP_RATIO * width, width)
        )

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Tokens (batch, length, width); ``condition`` has gone through SiLU."""
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(condition).chunk(6, dim=-1)
        x = x + gate1 * self.attention((1 + scale1) * self.norm(x) + shift1)
        x = x + gate2 * self.mlp((1 + scale2) * self.norm(x) + shift2)
        return x


class FinalLayer(nn.Module):
    """Modulated LayerNorm and a linear map to ``n_out`` values; a new one returns zero."""

    def __init__(self, width: int, n_out: int, eps: float):
        super().__init__()
        self.modulation = nn.Linear(width, 2 * width)
        self.norm = nn.LayerNorm(width, eps=eps, elementwise_affine=False)
        self.out = nn.Linear(width, n_out)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Values (batch, length, n_out); ``condition`` has gone through SiLU."""
        shift, scale = self.modulation(condition).chunk(2, dim=-1)
        out: Tensor = self.out((1 + scale) * self.norm(x) + shift)
        return out


@torch.no_grad()
def initialise(net: nn.Module, generator: torch.Generator) -> None:
    """Set every linear layer of ``net`` from ``generator``: Xavier weights, zero biases.

    Modulations and final layers start at zero, so that the new network is the identity and returns zero.
    Time embeddings start at N(0, 0.02²), as in the original DiT.
    """
    for module in net.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight, generator=generator)
            nn.init.zeros_(module.bias)
    for module in net.modules():
        if isinstance(module, TimeEmbedding):
            for layer in module.children():
                if isinstance(layer, nn.Linear):
                    nn.init.normal_(layer.weight, std=0.02, generator=generator)
        elif isinstance(module, Block):
            nn.init.zeros_(module.modulation.weight)
        elif isinstance(module, FinalLayer):
            nn.init.zeros_(module.modulation.weight)
            nn.init.zeros_(module.out.weight)
