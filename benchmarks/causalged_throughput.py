"""Genes per second of CausalGeD's transformer, gene tokens with a cache against the published layout.

The published code (2025) makes each gene a sequence of its own: 64 condition tokens from its profile latent
and one token per number of its 256-dimensional latent; every denoising step runs all of them again. Here a
gene is one token, a sequence holds many genes, and the context is run once. Both ways use the same blocks
at equal width and depth, the same mask rule (Algorithm 2) and their own draw of Algorithm 1.

    python benchmarks/causalged_throughput.py --genes 300 --width 128 --depth 2
    python benchmarks/causalged_throughput.py --device cuda --width 1024 --depth 4

A time is the fastest of some rounds of both ways in turn. "Share of matmul" is the rate of floating-point
operations over that of a large matrix product on the same device, measured in the same run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from stbench.methods.causalged.mask import CLEAN, CONDITION, NOISY, causal_mask, draw_step_sizes
from stbench.methods.causalged.model import CAT, Block
from stbench.toolbox.nn.learner import autocast

LATENT = 256
CONDITION_TOKENS = 64
DRAWS = 5  # sequences of gene tokens per timed step, each with steps of its own
DECAY = 0.9  # what the published training uses


class GeneTokens(nn.Module):
    """One token per gene: our layout, on random latents."""

    def __init__(self, options: argparse.Namespace):
        super().__init__()
        self.device = options.device
        self.cat = CAT(LATENT, options.width, options.depth, options.heads)
        self.latents, self.profiles = torch.randn(2, options.genes, LATENT, device=options.device)
        self.targets = torch.randn(options.targets, LATENT, device=options.device)

    def train_step(self) -> None:
        rng = np.random.default_rng(0)  # the same draws in every round
        for _ in range(DRAWS):
            self.train_draw(draw_step_sizes(len(self.latents), DECAY, rng))

    def train_draw(self, sizes: np.ndarray) -> None:
        n_genes = len(self.latents)
        step = torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes)).to(self.device)
        clean = n_genes - sizes[-1]
        tokens = (
            self.cat.condition_tokens(self.profiles),
            self.cat.clean_tokens(self.latents[:clean], self.profiles[:clean]),
            self.cat.noisy_tokens(self.latents, self.profiles, step),
        )
        kind = torch.from_numpy(np.repeat((CONDITION, CLEAN, NOISY), [len(t) for t in tokens])).to(
            self.device
        )
        steps = torch.cat((torch.zeros_like(step), step[:clean], step))
        hidden, _ = self.cat(torch.cat(tokens)[None], causal_mask(kind, steps))
        self.cat.read(hidden[:, -n_genes:]).square().mean().backward()

    @torch.no_grad()
    def sample(self, n_steps: int) -> None:
        known = self.profiles
        parts = (
            self.cat.condition_tokens(torch.cat((known, self.targets))),
            self.cat.clean_tokens(self.latents, known),
        )
        kind = torch.from_numpy(np.repeat((CONDITION, CLEAN), [len(p) for p in parts])).to(self.device)
        _, cache = self.cat(torch.cat(parts)[None], causal_mask(kind, torch.zeros_like(kind)))
        for t in range(n_steps):
            noisy = self.cat.noisy_tokens(self.targets, self.targets, torch.tensor([t], device=self.device))
            self.cat.read(self.cat(noisy[None], past=cache)[0])


class LatentTokens(nn.Module):
    """One token per number of a gene's latent, one sequence per gene: the published layout."""

    def __init__(self, options: argparse.Namespace):
        super().__init__()
        self.device, self.width = options.device, options.width
        self.condition = nn.Linear(LATENT, CONDITION_TOKENS * options.width)
        self.token, self.out = nn.Linear(1, options.width), nn.Linear(options.width, 1)
        self.position = nn.Parameter(torch.zeros(LATENT, options.width))
        self.blocks = nn.ModuleList(Block(options.width, options.heads) for _ in range(options.depth))
        self.latents, self.profiles = torch.randn(2, options.genes, LATENT, device=options.device)
        self.targets = torch.randn(options.targets, LATENT, device=options.device)
        self.batch = options.batch

    def forward(self, latents: Tensor, profiles: Tensor, clean: int, mask: Tensor | None) -> Tensor:
        condition = self.condition(profiles).unflatten(-1, (CONDITION_TOKENS, self.width))
        tokens = self.token(latents[..., None]) + self.position  # (genes, LATENT, width)
        x = torch.cat((condition, tokens[:, :clean], tokens), dim=1)
        for block in self.blocks:
            x, _ = block(x, mask, None)
        return self.out(x[:, -LATENT:])[..., 0]

    def train_step(self) -> None:
        rng = np.random.default_rng(0)
        for first in range(0, len(self.latents), self.batch):
            genes = slice(first, first + self.batch)
            sizes = draw_step_sizes(LATENT, DECAY, rng)
            step = torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes)).to(self.device)
            clean = LATENT - sizes[-1]
            counts = CONDITION_TOKENS, clean, LATENT
            kind = torch.from_numpy(np.repeat((CONDITION, CLEAN, NOISY), counts)).to(self.device)
            steps = torch.cat((torch.zeros_like(kind[:CONDITION_TOKENS]), step[:clean], step))
            mask = causal_mask(kind, steps)
            self(self.latents[genes], self.profiles[genes], clean, mask).square().mean().backward()

    @torch.no_grad()
    def sample(self, n_steps: int) -> None:
        for _ in range(n_steps):
            for first in range(0, len(self.targets), self.batch):
                targets = self.targets[first : first + self.batch]
                self(targets, targets, 0, None)


def seconds(do: Callable[[], None], device: str) -> float:
    """Wall time of one call, the device's queue included."""
    if device != "cpu":
        torch.cuda.synchronize()
    start = time.perf_counter()
    do()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def operations(do: Callable[[], None]) -> int:
    """Floating-point operations of one call."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # others go uncounted
        do()
    return counter.get_total_flops()


def matmul_rate(device: str) -> float:
    """Floating-point operations per second of a large matrix product, in the precision of the networks."""
    size = 8192 if device != "cpu" else 2048
    a = torch.randn(size, size, device=device, dtype=torch.bfloat16 if device != "cpu" else torch.float32)
    return 2 * size**3 / min(seconds(lambda: torch.mm(a, a), device) for _ in range(5))


def main() -> None:
    """Time training and sampling of both layouts in turn, print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--genes", type=int, default=300, help="visible genes")
    parser.add_argument("--targets", type=int, default=60)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--batch", type=int, default=60, help="genes at once in the published layout")
    parser.add_argument("--sampling-steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()

    torch.manual_seed(0)
    ways = {"gene tokens": GeneTokens(options), "latent tokens": LatentTokens(options)}
    jobs: dict[tuple[str, str], tuple[Callable[[], None], int]] = {}
    for name, net in ways.items():
        net.to(options.device)
        jobs["train", name] = net.train_step, options.genes * (DRAWS if name == "gene tokens" else 1)
        jobs["sample", name] = lambda net=net: net.sample(options.sampling_steps), options.targets
    best = dict.fromkeys(jobs, float("inf"))
    with autocast(options.device):
        rate = matmul_rate(options.device)
        cost = {key: operations(do) for key, (do, _) in jobs.items()}
        for _ in range(options.rounds):
            for key, (do, _) in jobs.items():
                best[key] = min(best[key], seconds(do, options.device))
    print(f"{options}\n")
    print("| what | layout | genes per second | GFLOP per gene | share of matmul | times slower |")
    print("|---|---|---|---|---|---|")
    for (what, name), (_, n_genes) in jobs.items():
        per_gene = best[what, name] / n_genes
        slower = per_gene / (best[what, "gene tokens"] / jobs[what, "gene tokens"][1])
        share = cost[what, name] / best[what, name] / rate
        print(
            f"| {what} | {name} | {1 / per_gene:.0f} | {cost[what, name] / n_genes / 1e9:.3f} "
            f"| {share:.2f} | {slower:.1f} |"
        )


if __name__ == "__main__":
    main()
