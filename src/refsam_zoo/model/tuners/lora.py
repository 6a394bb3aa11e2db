"""Low-rank adaptation (arXiv 2106.09685) and other methods of the peft package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import nn

from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.model.tuners.base import TUNERS, Tuner
from refsam_zoo.model.tuners.fused_projection import split_fused
from refsam_zoo.number_types import PositiveFloat, Probability, Width
from refsam_zoo.registry import ModelCard

ATTENTION_OUTPUTS = ("attn.proj", "attention.output.dense", "SelfAttention.o", "attn")
"""Ends of the names of attention output projections: SAM and timm, BERT and RoBERTa, T5; open_clip's attention."""


@TUNERS.register(ModelCard("any method of the peft package"))
class peft_method(Tuner):
    """Trains what a method of the peft package injects into chosen layers.

    Args:
        method: The method's name there: "LORA", "LOHA", "LOKR", "OFT", "IA3", ...
        options: Options of the method's configuration there.
        targets: Ends of the names of the linear layers to adapt: "attn.qkv" or "mlp.lin1"; "attn.qkv.q" for one part
            of a fused projection. An `nn.MultiheadAttention` (open_clip's "attn") is adapted as a whole.
    """

    def __init__(
        self,
        method: str = "LOHA",
        options: dict[str, Any] | None = None,
        targets: Sequence[str] = ATTENTION_OUTPUTS,
    ) -> None:
        self.method = method
        self.options = options or {}
        self.targets = targets

    def inject(self, encoder: nn.Module) -> None:
        """Freezes the encoder and injects the method's parameters; see `Tuner.inject`."""
        from peft import PEFT_TYPE_TO_CONFIG_MAPPING, PeftType, inject_adapter_in_model

        methods = [method.value for method in PEFT_TYPE_TO_CONFIG_MAPPING]
        if self.method not in methods:
            raise InputError(f"unknown peft method '{self.method}'{nearest_name(self.method, methods)}")
        split_fused(encoder, self.targets)
        targets = adaptable_layers(encoder, self.targets)
        config_class: Any = PEFT_TYPE_TO_CONFIG_MAPPING[PeftType(self.method)]
        try:
            config = config_class(**self.options, target_modules=targets)
            inject_adapter_in_model(config, encoder.requires_grad_(False))
        except (TypeError, ValueError) as error:
            raise InputError(f"peft method '{self.method}': {' '.join(str(error).split())}") from error


@TUNERS.register(ModelCard("LoRA", paper="2106.09685"))
class lora(peft_method):
    """Adds `B A x` of low rank to chosen linear layers and trains only A and B.

    A starts as `kaiming_uniform(a=sqrt(5))`, B as zero, so the encoder starts unchanged. The defaults are those of the
    released RefSAM code: rank 4 on the attention's output projection of every block, without scaling or dropout.

    Args:
        rank: Rank r of the update.
        alpha: The update is scaled by alpha / r; None means alpha = r, no scaling.
        dropout: Dropout on the input of A while training.
        targets: See `peft_method`.

    Attributes:
        kind: What the method's configuration in the peft package says besides.
    """

    kind: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        rank: Width = 4,
        alpha: PositiveFloat | None = None,
        dropout: Probability = 0.0,
        targets: Sequence[str] = ATTENTION_OUTPUTS,
    ) -> None:
        options = {"r": rank, "lora_alpha": rank if alpha is None else alpha, "lora_dropout": dropout}
        super().__init__("LORA", options | self.kind, targets)


@TUNERS.register(ModelCard("DoRA", paper="2402.09353"))
class dora(lora):
    """LoRA that learns the size of each output's weights apart from their direction.

    Options as in `lora`; `nn.MultiheadAttention` among the targets is not supported.
    """

    kind: ClassVar[dict[str, Any]] = {"use_dora": True}


def adaptable_layers(encoder: nn.Module, targets: Sequence[str]) -> list[str]:
    """Finds the linear layers and `nn.MultiheadAttention`s whose names end in one of the targets.

    The output projection within an `nn.MultiheadAttention` is no choice of its own: PyTorch reads its weight without
    calling it, so that an adapted one would change nothing.

    Raises:
        InputError: No layer does; the message lists the endings there are.
    """
    names = [name for name, module in encoder.named_modules() if type(module) in (nn.Linear, nn.MultiheadAttention)]
    chosen = [name for name in names if any(f".{name}".endswith(f".{target}") for target in targets)]
    if not names:
        raise InputError(
            f"{type(encoder).__name__} has no linear layer to adapt; use tuner 'full' or 'frozen' (--model.tuner full)"
        )
    if not chosen:
        endings = {".".join(name.split(".")[-2:]) for name in names}
        raise InputError(
            f"tuner target '{targets[0]}': no linear layer of {type(encoder).__name__} has a name ending so"
            f"{nearest_name(targets[0], endings)}"
        )
    return chosen
