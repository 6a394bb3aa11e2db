"""SAMWISE's published file at a tiny size, with weights that follow from their names (tests/data/samwise.json)."""

from __future__ import annotations

import argparse
import json
import math
import zlib
from collections.abc import Sequence
from pathlib import Path

import torch
from small_sam2 import meta_name
from torch import Tensor
from transformers import RobertaTokenizerFast

from refsam_zoo.model.image_encoders.sam2 import Sam2ImageEncoder
from refsam_zoo.model.samwise import Samwise, SamwiseSize
from refsam_zoo.systems.samwise import samwise
from refsam_zoo.weights.files import weights_follow

SIZE = SamwiseSize(32, (8, 4, 2), True, 64, 4, 128, (1, 2, 3, 4), 100, 40)
SIDE = 128
SENTENCES = ["the red square", "a small green circle moving left"]
TOKENS = ("iou_token", "mask_tokens", "obj_score_token", "decision_token", "point_embeddings", "not_a_point",
          "no_mask_embed", "tpos_enc", "no_mem", "no_obj_ptr")  # fmt: skip


class SmallHiera(Sam2ImageEncoder):
    channels, heads, blocks, global_blocks, embedding_width = 16, 1, (1, 2, 2, 1), (4,), 128


samwise.kinds[16, 6] = (lambda: SmallHiera(image_size=SIDE), SIZE)


def drawn(name: str, shape: Sequence[int]) -> Tensor:
    """A weight, by the rule of the record."""
    values = torch.randn(tuple(shape), generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
    if name.endswith("running_var"):
        return 1 + 0.2 * values.abs()
    if any(part in name for part in ("gaussian_matrix", "embed_tokens", "embed_positions")):
        return values
    if any(part in name for part in TOKENS):
        return 0.5 * values
    if "pos_embed" in name:
        return 0.2 * values
    if len(shape) > 1:
        transposed = "output_upscaling" in name or "proj_vis_up.0" in name
        fan_in = shape[0] * values[0, 0].numel() if transposed else values[0].numel()
        last = "hypernetworks" in name and name.endswith("layers.2.weight")
        return (0.12 if last else 1.2) * values / math.sqrt(fan_in)
    return 1 + 0.2 * values if name.endswith("weight") else 0.1 * values


TEXT = {
    "embeddings.word_embeddings": "embed_tokens", "embeddings.position_embeddings": "embed_positions",
    "embeddings.LayerNorm": "layernorm_embedding", "encoder.layer": "layers", "attention.self.query":
    "self_attn.q_proj", "attention.self.key": "self_attn.k_proj", "attention.self.value": "self_attn.v_proj",
    "attention.output.dense": "self_attn.out_proj", "attention.output.LayerNorm": "self_attn_layer_norm",
    "intermediate.dense": "fc1", "output.dense": "fc2", "output.LayerNorm": "final_layer_norm",
}  # fmt: skip


def published_name(name: str) -> str:
    """The name of one of our tensors in the published file."""
    part, _, rest = name.partition(".")
    if part == "text_encoder":
        for ours, theirs in TEXT.items():
            rest = rest.replace(ours, theirs)
        return f"text_encoder.model.encoder.sentence_encoder.{rest}"
    if part == "project_text":
        return f"sam.sam_prompt_encoder.{name}"
    if part in ("image_encoder", "mask_decoder", "prompt_encoder", "memory"):
        return f"sam.{meta_name(part, rest.removeprefix('vision.'))}"
    return name.replace("transformer_block.norm2", "transformerBlock.norm3").replace("_block", "Block")


def shapes(model: Samwise) -> dict[str, torch.Size]:
    """Names and shapes of a published file, but for what is never read."""
    named = {published_name(name): tensor.shape for name, tensor in model.state_dict().items()}
    return {name: shape for name, shape in named.items() if "token_type" not in name}


def tiny_state(size: SamwiseSize = SIZE) -> dict[str, Tensor]:
    """The weights of a published file."""
    with torch.device("meta"), weights_follow():
        found = shapes(Samwise(SmallHiera(image_size=SIDE), size))
    unread = {"text_encoder._float_tensor": torch.zeros(1)}
    return {
        name: torch.zeros(shape, dtype=torch.long) if name.endswith("tracked") else drawn(name, shape)
        for name, shape in found.items()
    } | unread


def ids(sentence: str) -> Tensor:
    """Token ids by the rule of the record, int64 `[L]`."""
    return torch.tensor([0, *(4 + zlib.crc32(word.encode()) % 90 for word in sentence.split()), 2])


def pixels() -> Tensor:
    """A video as the record has it, padded to the square: float `[20, 3, 128, 128]`."""
    blocks = torch.randn(20, 3, 9, 16, generator=torch.Generator().manual_seed(0))
    frames = blocks.repeat_interleave(8, 2).repeat_interleave(8, 3)
    return torch.nn.functional.pad(frames, (0, 0, 0, SIDE - frames.shape[2]))


def tiny_roberta_tokenizer(folder: Path) -> Path:
    """Writes RoBERTa's tokenizer with a token to a letter of the sentences of the tests."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = dict.fromkeys(chr(code) for code in (*range(97, 123), 0x120))
    words = ["<s>", "<pad>", "</s>", "<unk>", *letters, "<mask>"]
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "config.json").write_text(json.dumps({"model_type": "roberta"}))
    RobertaTokenizerFast.from_pretrained(folder).save_pretrained(folder)
    return folder


def write_tiny_samwise(path: Path, size: SamwiseSize = SIZE) -> Path:
    """Writes a file as it is published: the training program's state around the model's."""
    content = {"model": tiny_state(size), "optimizer": {}, "epoch": 3, "args": argparse.Namespace(HSA=True)}
    torch.save(content, path)
    return path
