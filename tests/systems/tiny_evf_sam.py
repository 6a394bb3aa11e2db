"""EVF-SAM's published files at tiny sizes, with weights that follow from their names (tests/data/evf_sam.json)."""

from __future__ import annotations

import json
import shutil
import zlib
from pathlib import Path

import torch
from safetensors.torch import save_file
from small_sam2 import SmallSam2, meta_name
from torch import Tensor

from refsam_zoo.model.beit3 import Beit3, Beit3Size
from refsam_zoo.model.evf_sam import EvfSam, EvfSam2
from refsam_zoo.model.image_encoders.sam import SamImageEncoder
from refsam_zoo.model.trackers.sam2_memory import sam2_memory
from refsam_zoo.systems.evf_sam import evf_sam, evf_sam2

VOCABULARY = Path(__file__).parents[1] / "data" / "sentencepiece_unigram.model"
BEIT3 = Beit3Size(width=64, layers=2, hidden=128, side=32, patch=16, words=60, positions=40)
SIDES = {"sam": 64, "sam2": 96}


class SmallVit(SamImageEncoder):
    width, depth, heads, global_blocks, embedding_width = 64, 2, 2, (1,), 64


evf_sam.encoders["small"] = lambda: SmallVit(image_size=SIDES["sam"])
evf_sam2.encoders["small"] = lambda: SmallSam2(image_size=SIDES["sam2"])


def drawn(name: str, shape: torch.Size) -> Tensor:
    """A weight that follows from its published name, by the rule of the record; half precision holds it exactly."""
    values = torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
    if len(shape) > 1 and not any(part in name for part in ("gaussian_matrix", "text_embed", "embed_positions", "cls")):
        token = any(part in name for part in ("token", "embedding", "not_a_point", "no_mask", "no_mem", "pos"))
        values *= 0.5 if token else 1 / values[0].numel() ** 0.5
    if len(shape) == 1:
        values = 1 + 0.2 * values if name.endswith("weight") else 0.1 * values
    return values.half().float()


def published_name(name: str) -> str:
    """The name of a tensor of `EvfSam` in the published file."""
    if name.startswith("beit3."):
        return f"mm_extractor.{name}"
    return name if name.startswith("text_hidden_fcs.") else f"visual_model.{name.replace('.vit.', '.')}"


def published_name_2(name: str) -> str:
    """The name of a tensor of `EvfSam2` in the published file."""
    if name.startswith(("beit3.", "text_hidden_fcs.")):
        return published_name(name)
    if name == "no_memory_embedding":
        return f"visual_model.{meta_name('memory', name)}"
    part, _, rest = name.partition(".")
    return f"visual_model.{meta_name(part, rest.removeprefix('vision.'))}"


def shapes(kind: type[EvfSam], encoder: object, size: Beit3Size) -> dict[str, torch.Size]:
    """Names and shapes of a published file."""
    with torch.device("meta"):
        model = kind(encoder(), Beit3(size))  # type: ignore[operator]
        rename = published_name_2 if kind is EvfSam2 else published_name
        found = {rename(name): tensor.shape for name, tensor in model.state_dict().items()}
        if kind is EvfSam2:
            memory = sam2_memory(version="2.0", width=model.image_encoder.embedding_width)
            memory.connect((model.image_encoder.image_size // 16,) * 2)
            names = {name: meta_name("memory", name).replace(".gamma", ".weight") for name in memory.state_dict()}
            found |= {f"visual_model.{names[name]}": tensor.shape for name, tensor in memory.state_dict().items()}
    return found


def tiny_state(kind: type[EvfSam]) -> dict[str, Tensor]:
    """The weights of a published file."""
    encoder = (evf_sam2 if kind is EvfSam2 else evf_sam).encoders["small"]
    return {name: drawn(name, shape) for name, shape in shapes(kind, encoder, BEIT3).items()}


def tiny_evf_sam(folder: Path, kind: type[EvfSam] = EvfSam) -> Path:
    """Writes a folder as it is published: EVF-SAM in a file of PyTorch, that over SAM 2 in one of safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "evf", "sam_scale": "small", "out_dim": 64}))
    shutil.copy(VOCABULARY, folder / "sentencepiece.bpe.model")
    state = tiny_state(kind)
    if kind is EvfSam2:
        save_file(state, folder / "model.safetensors")
    else:
        torch.save({name: tensor.half() for name, tensor in state.items()}, folder / "pytorch_model.bin")
    return folder
