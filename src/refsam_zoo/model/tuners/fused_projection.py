"""Fused query, key and value projections taken apart, so that one of them can be tuned."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

PARTS = ("q", "k", "v")


class SplitProjection(nn.Module):
    """A linear layer of three equal outputs as three layers `q`, `k` and `v`; it computes the same.

    Args:
        fused: The layer to take apart, with `out_features` divisible by 3.
    """

    def __init__(self, fused: nn.Linear) -> None:
        super().__init__()
        biases: Sequence[Tensor | None] = [None] * 3 if fused.bias is None else fused.bias.chunk(3)
        for part, weight, bias in zip(PARTS, fused.weight.chunk(3), biases, strict=True):
            linear = nn.Linear(fused.in_features, fused.out_features // 3, bias is not None, device="meta")
            linear.weight = nn.Parameter(weight.detach().clone())
            linear.bias = None if bias is None else nn.Parameter(bias.detach().clone())
            setattr(self, part, linear)

    def forward(self, tokens: Tensor) -> Tensor:
        """Projects tokens, float `[..., in_features]`, to queries, keys and values side by side."""
        return torch.cat([self.q(tokens), self.k(tokens), self.v(tokens)], dim=-1)


def split_fused(encoder: nn.Module, targets: Sequence[str]) -> None:
    """Takes apart, in place, every fused projection of which a target names a part: "attn.qkv.q".

    Args:
        encoder: Holds the projections.
        targets: Ends of the names of layers.
    """
    fused = tuple(target[:-2] for target in targets if target[-2:] in (".q", ".k", ".v"))
    for name, module in list(encoder.named_modules()):
        if type(module) is nn.Linear and name.endswith(fused) and module.out_features == 3 * module.in_features:
            parent, _, child = name.rpartition(".")
            setattr(encoder.get_submodule(parent), child, SplitProjection(module))
