"""Low-rank adaptation (arXiv 2106.09685) through the peft package."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.model.tuners.base import TUNERS, Tuner
from refsam_zoo.registry import ModelCard

ATTENTION_OUTPUTS = ("attn.proj", "attention.output.dense", "SelfAttention.o", "attn")
"""Ends of the names of attention output projections: SAM and timm, BERT and RoBERTa, T5; open_clip's attention."""


@TUNERS.register(ModelCard("LoRA", paper="2106.09685"))
class lora(Tuner):
    """Adds `B A x` of low rank to chosen linear layers and trains only A and B.

    A starts as `kaiming_uniform(a=sqrt(5))`, B as zero, so the encoder starts unchanged. The defaults are those of the
    released RefSAM code: rank 4 on the attention's output projection of every block, without scaling or dropout.

    Args:
        rank: Rank r of the update.
        alpha: The update is scaled by alpha / r; None means alpha = r, no scaling.
        dropout: Dropout on the input of A while training.
        targets: Ends of the names of the linear layers to adapt: "attn.qkv" or "mlp.lin1". An `nn.MultiheadAttention`
            (open_clip's "attn") is adapted as a whole.
    """

    def __init__(
        self,
        rank: int = 4,
        alpha: float | None = None,
        dropout: float = 0.0,
        targets: Sequence[str] = ATTENTION_OUTPUTS,
    ) -> None:
        self.rank = rank
        self.alpha = rank if alpha is None else alpha
        self.dropout = dropout
        self.targets = targets

    def apply(self, encoder: nn.Module) -> nn.Module:
        """Freezes the encoder and injects A and B; see `Tuner.apply`."""
        from peft import LoraConfig, inject_adapter_in_model

        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,  # type: ignore[arg-type]  # peft divides it, any number does
            lora_dropout=self.dropout,
            target_modules=adaptable_layers(encoder, self.targets),
        )
        return inject_adapter_in_model(config, encoder.requires_grad_(False))


def adaptable_layers(encoder: nn.Module, targets: Sequence[str]) -> list[str]:
    """Finds the linear layers and `nn.MultiheadAttention`s whose names end in one of the targets.

    The output projection within an `nn.MultiheadAttention` is no choice of its own: PyTorch reads its weight without
    calling it, so that an adapted one would change nothing.

    Raises:
        InputError: No layer does; the message lists the endings there are.
    """
    names = [name for name, module in encoder.named_modules() if type(module) in (nn.Linear, nn.MultiheadAttention)]
    chosen = [name for name in names if any(f".{name}".endswith(f".{target}") for target in targets)]
    if not chosen:
        endings = {".".join(name.split(".")[-2:]) for name in names}
        raise InputError(
            f"tuner target '{targets[0]}': no linear layer of {type(encoder).__name__} has a name ending so"
            f"{nearest_name(targets[0], endings)}"
        )
    return chosen
