"""The score network: a 1-D U-net along the gene axis, conditioned on the mean of the cell type."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SHORT = 130  # with fewer genes the published factors leave fewer than three positions
FACTORS = (3, 4, 5, 1)
SHORT_FACTORS = (2, 3, 1, 1)
Film = tuple[Tensor, Tensor]  # scale and shift, each (n, channels, length)


def factors(n_genes: int) -> tuple[int, ...]:
    """Down-sampling factors for a gene axis of this length."""
    return FACTORS if n_genes >= SHORT else SHORT_FACTORS


def leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)


def conv(n_in: int, n_out: int, width: int, dilation: int = 1) -> nn.Conv1d:
    """Convolution that keeps the length."""
    return nn.Conv1d(n_in, n_out, width, padding=dilation * (width // 2), dilation=dilation)


class Resample(nn.Module):
    """Down by ``factor``, or up to exactly ``length``, which need not be a multiple of it."""

    def __init__(self, channels: int, factor: int, up: bool):
        super().__init__()
        self.factor = factor
        kind = nn.ConvTranspose1d if up else nn.Conv1d
        self.conv = kind(channels, channels, 7, stride=factor, padding=3)

    def forward(self, x: Tensor, length: int) -> Tensor:
        if isinstance(self.conv, nn.ConvTranspose1d):
            return self.conv(x, output_size=[length])
        return self.conv(x)


class TypeBlock(nn.Module):
    """Path A: resample, three dilated convolutions, and a shortcut."""

    def __init__(self, n_in: int, n_out: int, factor: int, up: bool):
        super().__init__()
        self.resample = Resample(n_in, factor, up)
        self.convs = nn.ModuleList(
            conv(n_in if i == 0 else n_out, n_out, 3, dilation) for i, dilation in enumerate((1, 2, 4))
        )
        self.shortcut = conv(n_in, n_out, 1)
        self.resample_shortcut = Resample(n_out, factor, up)

    def forward(self, a: Tensor, length: int) -> Tensor:
        h = self.resample(a, length)
        for layer in self.convs:
            h = layer(leaky(h))
        return h + self.resample_shortcut(self.shortcut(a), length)


class FilmHead(nn.Module):
    """Scale and shift for a block of path B, from the features of path A at the same level."""

    def __init__(self, channels: int):
        super().__init__()
        self.hidden = conv(channels, channels, 3)
        self.scale = conv(channels, channels, 3)
        self.shift = conv(channels, channels, 3)

    def forward(self, a: Tensor) -> Film:
        h = leaky(self.hidden(a))
        return self.scale(h), self.shift(h)


class CellBlock(nn.Module):
    """Path B: resample and convolve, modulated by the cell type, in two residual steps."""

    def __init__(self, n_in: int, n_out: int, factor: int, up: bool):
        super().__init__()
        self.resample = Resample(n_in, factor, up)
        self.widen = conv(n_in, n_out, 3)
        self.shortcut = conv(n_in, n_out, 1)
        self.resample_shortcut = Resample(n_out, factor, up)
        self.modulated = nn.ModuleList(conv(n_out, n_out, 3, dilation) for dilation in (2, 1, 2))

    def forward(self, x: Tensor, film: Film, length: int) -> Tensor:
        h = self.widen(self.resample(leaky(x), length))
        h = self.modulate(0, h, film) + self.resample_shortcut(self.shortcut(x), length)
        return h + self.modulate(2, self.modulate(1, h, film), film)

    def modulate(self, layer: int, h: Tensor, film: Film) -> Tensor:
        scale, shift = film
        normal = F.layer_norm(h, h.shape[-1:])  # per channel over the genes: instance norm, at any length
        return self.modulated[layer](leaky(scale * normal + shift))


class ScoreNet(nn.Module):
    """``f(r + sigma z | mu) ~ -z``: the score of the noisy centred expression, times sigma.

    Both paths go down by four factors and up again by the first three in reverse. On the way up each path
    joins its own features of the same length (section "Score model" of the paper's methods).
    """

    def __init__(self, n_genes: int, width: int):
        super().__init__()
        a, b, c, d = width, 4 * width, 8 * width, 16 * width  # 32, 128, 256, 512 as published
        f = factors(n_genes)
        down = list(zip((a, b, c, d), (b, c, d, d), f, strict=True))
        up = list(zip((2 * d, 2 * c, 2 * b), (c, b, a), f[2::-1], strict=True))
        self.lengths = list(accumulate(f, lambda length, factor: -(-length // factor), initial=n_genes))
        self.type_in = conv(1, a, 5)
        self.cell_in = conv(1, a, 3)
        self.type_down = nn.ModuleList(TypeBlock(*sizes, up=False) for sizes in down)
        self.cell_down = nn.ModuleList(CellBlock(*sizes, up=False) for sizes in down)
        self.type_up = nn.ModuleList(TypeBlock(*sizes, up=True) for sizes in up)
        self.cell_up = nn.ModuleList(CellBlock(*sizes, up=True) for sizes in up)
        self.films = nn.ModuleList(FilmHead(n_out) for _, n_out, _ in [*down, *up])
        self.cell_out = conv(a, 1, 3)

    def type_features(self, means: Tensor) -> list[Film]:
        """Scales and shifts for path B from the mean of every type, ``means`` (n_types, n_genes)."""
        heads = iter(self.films)
        a, left, films = self.type_in(means[:, None]), [], []
        for block, length in zip(self.type_down, self.lengths[1:], strict=True):
            a = block(a, length)
            left.append(a)
            films.append(next(heads)(a))
        for block, skip, length in zip(self.type_up, left[2::-1], self.lengths[2::-1], strict=True):
            a = block(torch.cat((a, skip), dim=1), length)
            films.append(next(heads)(a))
        return films

    def forward(self, x: Tensor, sigma: Tensor | float, films: list[Film]) -> Tensor:
        """Estimate of ``-z`` for ``x`` (n, n_genes), given the features of the type of every row.

        ``sigma`` is ignored, as published: the network infers the noise level from its input.
        """
        steer: Iterator[Film] = iter(films)
        h, left = self.cell_in(x[:, None]), []
        for block, length in zip(self.cell_down, self.lengths[1:], strict=True):
            h = block(h, next(steer), length)
            left.append(h)
        for block, skip, length in zip(self.cell_up, left[2::-1], self.lengths[2::-1], strict=True):
            h = block(torch.cat((h, skip), dim=1), next(steer), length)
        return self.cell_out(h)[:, 0]  # (n, n_genes)


def rows_of(films: list[Film], types: Tensor) -> list[Film]:
    """The features of each type in ``types`` (n,), row by row."""
    # not scale[types]: its gradient is summed in any order where there are several threads
    return [(scale.index_select(0, types), shift.index_select(0, types)) for scale, shift in films]


def build(n_genes: int, width: int, generator: torch.Generator) -> ScoreNet:
    """A network with orthogonal weights and zero biases, drawn from ``generator`` and on its device."""
    with torch.random.fork_rng(devices=[]):  # PyTorch draws first weights from the global generator
        net = ScoreNet(n_genes, width).to(generator.device)
    for name, parameter in net.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        else:
            nn.init.orthogonal_(parameter, generator=generator)
    return net
