"""What a training step of the paper's recipe consists of, counted without computing it: products, parameters, bytes.

All tensors are on PyTorch's device "meta": they have sizes and no numbers, so that a laptop counts in seconds.
"""

from __future__ import annotations

from itertools import chain, product

import torch
from measure import parser
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils.flop_counter import FlopCounterMode

from refsam_zoo.model.cross_modal import CrossModalMLP
from refsam_zoo.model.image_encoders import IMAGE_ENCODERS
from refsam_zoo.model.mask_decoders.sam import sam_decoder
from refsam_zoo.model.prompts import DENSE_PROMPTS, SPARSE_PROMPTS
from refsam_zoo.model.text_encoders.clip_tiny import clip_tiny
from refsam_zoo.model.trackers.track_mlp import track_mlp
from refsam_zoo.model.tuners import TUNERS
from refsam_zoo.text_tables import format_table
from refsam_zoo.training.losses import AlignmentLoss, MaskLoss
from refsam_zoo.training.module import ReferringSegmentation
from refsam_zoo.types import ClipBatch

FRAMES, SIZE = 3, (480, 854)


def clip() -> ClipBatch:
    """A clip of the paper's recipe: three frames and a sentence."""
    return ClipBatch(
        frames=torch.zeros(1, FRAMES, 3, *SIZE, dtype=torch.uint8),
        sizes=[SIZE],
        expressions=["the brown dog running to the left"],
        clip_index=torch.zeros(1, dtype=torch.long),
        masks=torch.ones(1, FRAMES, *SIZE, dtype=torch.bool),
        clips=[],
    )


def build(name: str, tuner: str, checkpointing: bool) -> ReferringSegmentation:
    """Makes the recipe's model with a small text encoder, which counts for little."""
    return ReferringSegmentation(
        image_encoder=IMAGE_ENCODERS.build(name, checkpointing=checkpointing),
        text_encoder=clip_tiny(),
        tuner=TUNERS.build(tuner),
        text_tuner=TUNERS.build("frozen"),
        cross_modal=CrossModalMLP(),
        sparse_prompt=SPARSE_PROMPTS.build("word_tokens"),
        dense_prompt=DENSE_PROMPTS.build("hierarchical_dense_attention"),
        mask_decoder=sam_decoder(),
        tracker=track_mlp(),
        loss=MaskLoss(),
        alignment=AlignmentLoss(),
    )


def identity(tensor: Tensor) -> int:
    """Tells storages apart that have no address."""
    return int(StorageWeakRef(tensor.untyped_storage()).cdata)


def count(name: str, tuner: str, checkpointing: bool) -> list[str]:
    """Counts a step of one clip, in float32."""
    saved: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        saved[identity(tensor)] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.device("meta"):
        module = build(name, tuner, checkpointing)
    module = module.to("meta")
    with FlopCounterMode(display=False) as flops:
        weights = {identity(part) for part in chain(module.parameters(), module.buffers())}
        with saved_tensors_hooks(keep, lambda kept: kept):
            loss = module.training_step(clip().to(torch.device("meta")), 0)
        loss.backward()
    learned = sum(part.numel() for part in module.parameters() if part.requires_grad)
    kept = sum(size for storage, size in saved.items() if storage not in weights)
    everything = sum(part.numel() for part in module.parameters())
    return [
        name, tuner, "yes" if checkpointing else "no", f"{flops.get_total_flops() / FRAMES / 1e12:.2f}",
        f"{everything / 1e6:.1f}", f"{learned / 1e6:.2f}", f"{learned * 4 / 1e6:.1f}", f"{kept / FRAMES / 1e9:.2f}",
    ]  # fmt: skip


def main() -> None:
    options = parser(__doc__).parse_args()
    torch.set_num_threads(options.threads)
    rows = [["image encoder", "tuner", "checkpointing", "TFLOP a frame", "M parameters", "M learned",
             "MB of gradients", "GB kept a frame"]]  # fmt: skip
    for name, tuner in product(("vit_b", "vit_l", "vit_h"), ("frozen", "adapter")):
        rows += [count(name, tuner, checkpointing) for checkpointing in (False, True)]
    print(format_table(rows, markdown=True))


if __name__ == "__main__":
    main()
