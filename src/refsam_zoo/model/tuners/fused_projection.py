"""Fused query, key and value projections taken apart, so that one of them can be tuned."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class SplitProjection(nn.Module):
    """A linear layer of three equal outputs as three layers `q`, `k` and `v`; it computes the same.

    Args:
        fused: The layer to take apart, with `out_features` divisible by 3.
    """

    q: nn.Module
    k: nn.Module
    v: nn.Module

    def __init__(self, fused: nn.Linear) -> None:
        super().__init__()
        for index, part in enumerate("qkv"):
            linear = nn.Linear(fused.in_features, fused.out_features // 3, fused.bias is not None)
            linear = linear.to(fused.weight)
            linear.load_state_dict({name: tensor.chunk(3)[index] for name, tensor in fused.state_dict().items()})
            self.add_module(part, linear)

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
