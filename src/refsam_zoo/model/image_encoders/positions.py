"""Learned positions of a SAM ViT for another image size."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from refsam_zoo.weights.files import StateDict


def resize_positions(state_dict: StateDict, own: StateDict) -> StateDict:
    """Interpolates positions to the shapes a model has; all else, and positions that fit, stay the same tensors.

    Absolute positions are interpolated bicubically, relative ones linearly, as segment_anything does at run time.

    Args:
        state_dict: Weights of `segment_anything.modeling.ImageEncoderViT` for some image size.
        own: The model's own tensors.

    Returns:
        All weights, with `pos_embed` and `rel_pos_*` of the model's shapes.
    """
    return {
        name: _resize(name, tensor, own[name].shape) if name in own and tensor.shape != own[name].shape else tensor
        for name, tensor in state_dict.items()
    }


def _resize(name: str, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    if name == "pos_embed" and tensor.shape[-1] == shape[-1]:
        grid = F.interpolate(tensor.permute(0, 3, 1, 2), shape[1:3], mode="bicubic", align_corners=False)
        return grid.permute(0, 2, 3, 1)
    if name.endswith((".rel_pos_h", ".rel_pos_w")) and tensor.shape[-1] == shape[-1]:
        return F.interpolate(tensor.t()[None], shape[0], mode="linear", align_corners=False)[0].t()
    return tensor
