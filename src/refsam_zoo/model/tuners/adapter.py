"""RefSAM's adapters in the second half of a vision transformer, after AIM (arXiv 2302.03024)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from refsam_zoo.errors import InputError
from refsam_zoo.model.tuners.base import TUNERS, Tuner
from refsam_zoo.number_types import NonNegativeInt
from refsam_zoo.registry import ModelCard

MLP_SCALE = 0.5


class Adapter(nn.Module):
    """A bottleneck: Linear(width, width / 4), GELU, Linear(width / 4, width).

    Args:
        width: Channels of the tokens.
        zero_init: Start the second layer at zero, so that the encoder starts unchanged.
    """

    def __init__(self, width: int, zero_init: bool) -> None:
        super().__init__()
        self.down = nn.Linear(width, width // 4)
        self.activation = nn.GELU()
        self.up = nn.Linear(width // 4, width)
        if zero_init:
            nn.init.zeros_(self.up.weight)
            nn.init.zeros_(self.up.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """Maps tokens, float `[..., width]`, to as many."""
        return self.up(self.activation(self.down(tokens)))


@TUNERS.register(ModelCard("adapters in the later blocks", paper="2307.00997"))
class adapter(Tuner):
    """Trains an adapter after the attention and one beside the MLP of each later block, nothing else.

    In a block, with y the attention's output and z the MLP's input, y becomes `y + adapter(y)` and the MLP gives
    `mlp(z) + 0.5 * adapter(z)`. The adapters are children of the block's `attn` and `mlp`, added by forward hooks, so
    every pretrained parameter keeps the name it has in its checkpoint.

    Args:
        zero_init: Start as the pretrained encoder. False is PyTorch's default initialisation, as in the released
            code, which disturbs the encoder from the first step.
        first_block: First block with adapters, counted from 0; None means the second half of the blocks.
    """

    def __init__(self, zero_init: bool = True, first_block: NonNegativeInt | None = None) -> None:
        self.zero_init = zero_init
        self.first_block = first_block

    def inject(self, encoder: nn.Module) -> None:
        """Freezes the encoder and adds adapters; see `Tuner.inject`."""
        blocks: list[Any] = [module for module in encoder.modules() if _is_block(module)]
        first = len(blocks) // 2 if self.first_block is None else self.first_block
        if not blocks[first:]:
            linear = any(isinstance(module, nn.Linear) for module in encoder.modules())
            raise InputError(
                f"no place for an adapter in {type(encoder).__name__}: {len(blocks)} transformer blocks with "
                f"'attn.proj' and 'mlp', the first to adapt would be block {first}; choose --model.tuner "
                f"{'lora or full' if linear else 'full'} (--model.text_tuner for the text encoder)"
            )
        encoder.requires_grad_(False)
        for block in blocks[first:]:
            width = block.attn.proj.out_features
            block.attn.adapter = Adapter(width, self.zero_init)
            block.attn.register_forward_hook(_add_adapter_of_output)
            block.mlp.adapter = Adapter(width, self.zero_init)
            block.mlp.register_forward_hook(_add_adapter_of_input)


def _is_block(module: nn.Module) -> bool:
    return isinstance(getattr(getattr(module, "attn", None), "proj", None), nn.Linear) and hasattr(module, "mlp")


def _add_adapter_of_output(attention: Any, inputs: tuple[Tensor], output: Tensor) -> Tensor:
    return output + attention.adapter(output)


def _add_adapter_of_input(mlp: Any, inputs: tuple[Tensor], output: Tensor) -> Tensor:
    return output + MLP_SCALE * mlp.adapter(inputs[0])
