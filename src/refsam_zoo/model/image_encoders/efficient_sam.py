"""EfficientSAM's image encoders (arXiv 2312.00863): SAM's layout at the sizes of ViT-Ti and ViT-S."""

from __future__ import annotations

from refsam_zoo.model.image_encoders.base import IMAGE_ENCODERS
from refsam_zoo.model.image_encoders.sam import SamImageEncoder
from refsam_zoo.registry import ModelCard
from refsam_zoo.weights.files import StateDict

_LAYERS = {".mlp.fc1.": ".mlp.lin1.", ".mlp.fc2.": ".mlp.lin2."}


class EfficientSamImageEncoder(SamImageEncoder):
    """A plain ViT behind SAM's neck: global attention in every block, absolute positions only.

    The intermediate maps are those of ViT-B: the outputs of blocks 2, 5 and 8.

    Args:
        checkpoint: EfficientSAM's `efficient_sam_vit*.pt`; its positions, learned for 224 pixels, are interpolated as
            EfficientSAM does at run time. None means random weights.
        image_size: Side of the square input in pixels, a multiple of 16.
        checkpointing: In training, keep no activations inside the blocks but compute them again for the gradient.
    """

    depth, global_blocks = 12, (2, 5, 8, 11)
    window, relative_positions = 0, False

    def own_names(self, state_dict: StateDict) -> StateDict:
        """Renames the MLP's layers and lays the positions out as a grid, without the class token's."""
        state = {}
        for name, tensor in state_dict.items():
            for theirs, ours in _LAYERS.items():
                name = name.replace(theirs, ours)
            if name == "pos_embed" and tensor.ndim == 3:
                side = int((tensor.shape[1] - 1) ** 0.5)
                tensor = tensor[:, 1:].unflatten(1, (side, side))
            state[name] = tensor
        return state


def _card(size: str, name: str) -> ModelCard:
    return ModelCard(f"EfficientSAM {size}", f"EfficientSAM, {name}", "Apache-2.0", "2312.00863")


@IMAGE_ENCODERS.register(_card("ViT-Ti", "efficient_sam_vitt.pt"))
class efficient_sam_tiny(EfficientSamImageEncoder):
    """EfficientSAM's ViT-Ti: 12 blocks of width 192. Options as in `EfficientSamImageEncoder`."""

    width, heads = 192, 3


@IMAGE_ENCODERS.register(_card("ViT-S", "efficient_sam_vits.pt"))
class efficient_sam_small(EfficientSamImageEncoder):
    """EfficientSAM's ViT-S: 12 blocks of width 384. Options as in `EfficientSamImageEncoder`."""

    width, heads = 384, 6
