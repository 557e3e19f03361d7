"""The networks of CausalGeD: a two-headed encoder, a decoder and the causal attention transformer (CAT).

A sample is a gene. Its map over the spots and its profile over the cells are each encoded into one latent
vector, which is one token of the transformer. In the shapes, genes is the number of tokens of one kind,
length that of a sequence, and past that of the tokens whose keys and values are cached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from stbench.methods import Task, dense
from stbench.toolbox.nn.dit import MLP_RATIO, TimeEmbedding
from stbench.toolbox.scale import by_maximum, zscore

from .mask import CLEAN, CONDITION, NOISY

if TYPE_CHECKING:
    from . import CausalGeD

KINDS = 3  # condition, clean, noisy: see mask.py
SDS = 4  # z-scores are divided by it: most values of an expressed gene are then between -1 and 1
START_LOGVAR = -4.0
SMALLEST_STD = 1e-4

Past = tuple[Tensor, Tensor]  # keys and values, (batch, heads, past, head_dim)
Cache = list[Past]  # of every block


@dataclass(frozen=True)
class GeneRows:
    """Rows of a task, matched by gene name; maps are divided by their maximum."""

    maps: Tensor  # (n_visible, n_spots)
    profiles: Tensor  # (n_visible, n_cells)
    target_profiles: Tensor  # (n_targets, n_cells)


def gene_rows(task: Task, device: str, profiles: str) -> GeneRows:
    """The rows of ``task`` as float32 tensors on ``device``; ``profiles`` is their scale, see `CausalGeD`."""

    def on_device(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values.T, dtype=np.float32)).to(device)

    def scaled(genes: Sequence[str]) -> np.ndarray:
        values = dense(task.reference, genes, dtype=np.float32)
        return by_maximum(values) if profiles == "maximum" else zscore(values) / SDS

    return GeneRows(
        on_device(by_maximum(dense(task.spatial, task.visible, dtype=np.float32))),
        on_device(scaled(task.visible)),
        on_device(scaled(task.targets)),
    )


class Posterior(NamedTuple):
    """A diagonal Gaussian over latents, (genes, latent); a single point where ``logvar`` is None."""

    mean: Tensor
    logvar: Tensor | None

    @property
    def variance(self) -> Tensor:
        """(genes, latent)."""
        return torch.zeros_like(self.mean) if self.logvar is None else self.logvar.exp()

    def draw(self, generator: torch.Generator) -> Tensor:
        """One latent per gene, (genes, latent)."""
        noise = torch.randn(self.mean.shape, generator=generator, device=self.mean.device)
        return self.mean + self.variance.sqrt() * noise

    def divergence(self) -> Tensor:
        """Kullback-Leibler divergence from the standard normal, (genes,), nats; 0 for a point."""
        if self.logvar is None:
            return torch.zeros_like(self.mean[:, 0])
        return 0.5 * (self.mean**2 + self.variance - 1 - self.logvar).sum(dim=-1)


class Encoder(nn.Module):
    """``q(z | gene)``, two heads (for maps and profiles) on one trunk; Fig. 7 compares variational or not."""

    def __init__(self, n_spots: int, n_cells: int, hidden: int, latent: int, variational: bool):
        super().__init__()
        self.map_head = nn.Linear(n_spots, hidden)
        self.profile_head = nn.Linear(n_cells, hidden)
        self.trunk = nn.Sequential(nn.ReLU(), nn.Linear(hidden, hidden // 2), nn.ReLU())
        self.mean = nn.Linear(hidden // 2, latent)
        self.logvar = nn.Linear(hidden // 2, latent) if variational else None

    def of_maps(self, maps: Tensor) -> Posterior:
        """Posterior of genes from their maps (genes, n_spots)."""
        h = self.trunk(self.map_head(maps))  # (genes, hidden / 2)
        return Posterior(self.mean(h).float(), None if self.logvar is None else self.logvar(h).float())

    def of_profiles(self, profiles: Tensor) -> Tensor:
        """Latents (genes, latent) from profiles (genes, n_cells), not drawn: the profile is only an input."""
        return self.mean(self.trunk(self.profile_head(profiles))).float()


class Standardiser(nn.Module):
    """Scales latents to mean 0 and variance 1 over genes in each dimension, and back."""

    mean: Tensor
    std: Tensor

    def __init__(self, latent: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(latent))
        self.register_buffer("std", torch.ones(latent))

    @torch.no_grad()
    def fit(self, posterior: Posterior) -> None:
        """Set the moments to those of latents drawn from ``posterior``, over the genes.

        They include the variance of ``posterior``. A dimension that the encoder does not use has the same
        mean for every gene; division by the sd of the means alone would amplify its noise.
        """
        variance = posterior.mean.var(dim=0, correction=0) + posterior.variance.mean(dim=0)
        self.mean.copy_(posterior.mean.mean(dim=0))
        self.std.copy_(variance.sqrt().clamp(min=SMALLEST_STD))

    def forward(self, z: Tensor) -> Tensor:
        return (z - self.mean) / self.std

    def inverse(self, z: Tensor) -> Tensor:
        return z * self.std + self.mean


class Decoder(nn.Sequential):
    """Maps (..., n_spots) between 0 and 1 from latents (..., latent)."""

    def __init__(self, n_spots: int, hidden: int, latent: int):
        super().__init__(
            nn.Linear(latent, hidden // 2),
            nn.ReLU(),
            nn.Linear(hidden // 2, hidden),
            nn.ReLU(),
            nn.Linear(hidden, n_spots),
            nn.Sigmoid(),  # maps are divided by their maximum
        )

    def forward(self, latents: Tensor) -> Tensor:
        return super().forward(latents).float()


class Attention(nn.Module):
    """Multi-head attention with LayerNorm on queries and keys, which bounds the logits."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.norm_q = nn.LayerNorm(width // heads)
        self.norm_k = nn.LayerNorm(width // heads)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None, past: Past | None) -> tuple[Tensor, Past]:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k = self.norm_q(q).to(v), self.norm_k(k).to(v)  # (batch, heads, length, head_dim)
        if past is not None:
            k, v = torch.cat((past[0], k), dim=2), torch.cat((past[1], v), dim=2)  # (.., past + length, ..)
        h = scaled_dot_product_attention(q, k, v, attn_mask=mask)  # (batch, heads, length, head_dim)
        return self.out(h.transpose(1, 2).flatten(2)), (k, v)


class Block(nn.Module):
    """One pre-LayerNorm block of the CAT (Fig. 9 varies the number of blocks)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, MLP_RATIO * width), nn.GELU("tanh"), nn.Linear(MLP_RATIO * width, width)
        )

    def forward(self, x: Tensor, mask: Tensor | None, past: Past | None) -> tuple[Tensor, Past]:
        attended, cache = self.attention(self.norm_attention(x), mask, past)
        x = x + attended  # (batch, length, width)
        return x + self.mlp(self.norm_mlp(x)), cache


class CAT(nn.Module):
    """The causal attention transformer, which denoises the latents of genes.

    A token is the sum of its content (a latent), its kind (condition, clean or noisy), the identity of its
    gene (``ident``, from the profile in the reference, so that genes without a map have one too) and, for a
    noisy token, the time. Tokens have no position, because the order of the genes is arbitrary.
    """

    def __init__(self, latent: int, width: int, depth: int, heads: int):
        super().__init__()
        self.of_profile = nn.Linear(latent, width)
        self.of_map = nn.Linear(latent, width)  # clean and noisy latents are in one space
        self.ident = nn.Linear(latent, width)
        self.kind = nn.Embedding(KINDS, width)
        self.time = TimeEmbedding(width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm_out = nn.LayerNorm(width)
        self.out = nn.Linear(width, latent)

    def condition_tokens(self, profile: Tensor) -> Tensor:
        """(..., genes, width): the information of the reference on the genes, from the profile latents."""
        return self.of_profile(profile) + self.ident(profile.detach()) + self.kind.weight[CONDITION]

    def clean_tokens(self, latent: Tensor, profile: Tensor) -> Tensor:
        """(..., genes, width) of genes whose map is known."""
        return self.of_map(latent) + self.ident(profile.detach()) + self.kind.weight[CLEAN]

    def noisy_tokens(self, latent: Tensor, profile: Tensor, time: Tensor) -> Tensor:
        """(..., genes, width) of genes that are being generated; ``time`` (..., genes) or (1,)."""
        content = self.of_map(latent) + self.ident(profile.detach()) + self.kind.weight[NOISY]
        return content + self.time(time)

    def forward(
        self, tokens: Tensor, mask: Tensor | None = None, past: Cache | None = None
    ) -> tuple[Tensor, Cache]:
        """Hidden states (batch, length, width), and keys and values of the past and of ``tokens``.

        ``mask`` (batch or 1, 1, length, length) is Algorithm 2. Without it every token sees the past and all
        of ``tokens``, as the genes of one step do in Algorithm 2.
        """
        cache: Cache = []
        for i, block in enumerate(self.blocks):
            tokens, seen = block(tokens, mask, past[i] if past else None)
            cache.append(seen)
        return tokens, cache

    def predict(self, profiles: Tensor, past: Cache, latents: Tensor, time: Tensor) -> Tensor:
        """Prediction (batch, genes, latent) for noisy ``latents`` of the genes with these profile latents."""
        hidden, _ = self(self.noisy_tokens(latents, profiles, time[None]), past=past)
        return self.read(hidden)

    def read(self, hidden: Tensor) -> Tensor:
        """Prediction (..., genes, latent) from the hidden states of noisy tokens."""
        return self.out(self.norm_out(hidden)).float()


class CausalGeDNet(nn.Module):
    """All weights of one model, and the scale of the latent space of the diffusion."""

    def __init__(self, n_spots: int, n_cells: int, sizes: CausalGeD):
        super().__init__()
        self.encoder = Encoder(n_spots, n_cells, sizes.hidden, sizes.latent, sizes.variational)
        self.decoder = Decoder(n_spots, sizes.hidden, sizes.latent)
        self.map_scale = Standardiser(sizes.latent)
        self.profile_scale = Standardiser(sizes.latent)
        self.cat = CAT(sizes.latent, sizes.width, sizes.depth, sizes.heads)

    @torch.no_grad()
    def fit_scales(self, posterior: Posterior, profiles: Tensor) -> None:
        """Set the scales of both kinds of latents to those of these genes."""
        self.map_scale.fit(posterior)
        self.profile_scale.fit(Posterior(profiles, None))


@torch.no_grad()
def initialise(net: CausalGeDNet, generator: torch.Generator) -> None:
    """Set all weights of ``net``; LayerNorm and the scales keep the start of their class."""
    for module in net.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02, generator=generator)  # as small as in other transformers
    nn.init.zeros_(net.cat.out.weight)  # the first prediction is 0, so the first loss is that without a model
    if net.encoder.logvar is not None:
        # narrow posteriors at first: with unit noise the decoder would learn to ignore the latents
        nn.init.constant_(net.encoder.logvar.bias, START_LOGVAR)
