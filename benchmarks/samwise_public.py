"""SAMWISE at full size against its authors' code: the same random weights, frames and sentences, one after the other.

`--public` names a checkout of their repository, whose code is imported (it wants the package einops). Of what that
imports beside PyTorch, configuration by hydra and fairseq's RoBERTa are stood in for by the few lines below.
"""

from __future__ import annotations

import importlib
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np
import torch
import yaml
from encode_once import SENTENCES
from measure import interleaved, parser, peak_memory, report
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import RobertaTokenizerFast

from refsam_zoo.model.image_encoders.sam2 import sam2_hiera_base_plus
from refsam_zoo.model.samwise import Samwise
from refsam_zoo.systems.samwise import samwise
from refsam_zoo.weights.files import weights_follow

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # random weights are drawn there
from systems.tiny_samwise import drawn, shapes, tiny_roberta_tokenizer

HEIGHT, WIDTH = 575, 1024
"""What both make of 480 x 854, so that they see the same pixels."""
OPTIONS = Namespace(
    motion_prompt=False, HSA=True, HSA_patch_size=[8, 4, 2], use_cme_head=True, cme_decision_window=4,
    switch_mem="reweight",
)  # fmt: skip
"""Their options of the published video model."""


class TextLayer(nn.Module):
    """A layer of RoBERTa under fairseq's names; words are float `[L, N, C]`."""

    def __init__(self, width: int = 768, heads: int = 12) -> None:
        super().__init__()
        self.heads = heads
        self.self_attn = nn.ModuleDict({f"{part}_proj": nn.Linear(width, width) for part in ("q", "k", "v", "out")})
        self.self_attn_layer_norm, self.final_layer_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, words: Tensor, encoder_padding_mask: Tensor) -> Tensor:
        query, key, value = (
            self.self_attn[f"{part}_proj"](words).unflatten(-1, (self.heads, -1)).permute(1, 2, 0, 3)
            for part in ("q", "k", "v")
        )
        seen = F.scaled_dot_product_attention(query, key, value, ~encoder_padding_mask[:, None, None])
        words = self.self_attn_layer_norm(words + self.self_attn["out_proj"](seen.permute(2, 0, 1, 3).flatten(2)))
        return self.final_layer_norm(words + self.fc2(F.gelu(self.fc1(words))))


class SentenceEncoder(nn.Module):
    """What of fairseq's RoBERTa their code reads."""

    def __init__(self) -> None:
        super().__init__()
        self.embed_tokens, self.embed_positions = nn.Embedding(50265, 768), nn.Embedding(514, 768)
        self.layernorm_embedding = nn.LayerNorm(768)
        self.layers = nn.ModuleList(TextLayer() for _ in range(12))

    def forward_embedding(self, ids: Tensor, _: None) -> tuple[Tensor, Tensor]:
        tokens, real = self.embed_tokens(ids), ids != 1
        return self.layernorm_embedding(tokens + self.embed_positions(real.cumsum(1) * real + 1)), tokens


def nested(path: str, part: nn.Module) -> nn.Module:
    """Puts a module at a path of attributes."""
    for name in reversed(path.split(".")):
        holder = nn.Module()
        holder.add_module(name, part)
        part = holder
    return part


def built(node: Any) -> Any:
    """Makes what a configuration of theirs describes."""
    if isinstance(node, list):
        return [built(part) for part in node]
    if isinstance(node, str) and node.startswith("1e-"):  # a number that YAML 1.1 takes for a word
        return float(node)
    if not isinstance(node, dict):
        return node
    parts = {name: built(part) for name, part in node.items() if name != "_target_"}
    if "_target_" not in node:
        return parts
    module, _, name = node["_target_"].rpartition(".")
    return getattr(importlib.import_module(module), name)(**parts)


def import_public(public: Path) -> ModuleType:
    """Imports their module; what it imports and does not need here is empty."""
    sys.path.insert(0, str(public))
    empty = {"spacy": (), "py3_wget": (), "hydra": ("compose", "initialize"), "hydra.utils": ("instantiate",),
             "omegaconf": ("OmegaConf",), "fairseq.models.roberta": ("RobertaModel",)}  # fmt: skip
    for path, names in {"fairseq": (), "fairseq.models": (), **empty}.items():
        sys.modules[path] = module = ModuleType(path)
        for name in names:
            setattr(module, name, None)
    return importlib.import_module("models.samwise")


def theirs(folder: Path, public: Path, frames: int, sentences: int) -> Callable[[], list[Tensor]]:
    """Makes the run of the authors' code: a window of frames, sentence by sentence."""
    module = import_public(public)
    module.RobertaTokenizerFast = Namespace(from_pretrained=lambda _: RobertaTokenizerFast.from_pretrained(folder))
    torch.Tensor.cuda = lambda self, *_, **__: self  # type: ignore[assignment, method-assign]
    config = yaml.safe_load((public / "models/sam2/sam2_configs/sam2_hiera_b+.yaml").read_text(encoding="utf-8"))
    text = nested("model.encoder.sentence_encoder", SentenceEncoder())
    sam = built({**config["model"], "motion_prompt": False, "text_encoder_embed_dim": 768})
    judge = module.ConditionalMemoryEncoder(sam.hidden_dim)
    model = module.SAMWISE(
        [224, 448, 896], text, 768, [4, 8, 12], [1, 2, 3], sam.image_size, sam, judge, 256, OPTIONS
    ).eval()
    missing, unknown = model.load_state_dict(weights(folder), strict=False)
    unread = ("no_obj_ptr", "no_mem_pos_enc", "mask_downsample", "norm2", "pe_layer", "embed_positions")
    if lost := [name for name in missing if not any(part in name for part in unread)]:
        raise ValueError(f"{public}: not the layers known here; without weights are {', '.join(lost[:5])}")
    if unknown:
        raise ValueError(f"{public}: not the layers known here; it has no {', '.join(unknown[:5])}")
    pixels = samwise(folder / "samwise.pth", folder).model.pixels(video(frames))[..., :HEIGHT, :WIDTH]
    targets = [{"frame_ids": list(range(frames))}]

    @torch.inference_mode()
    def run() -> list[Tensor]:
        return [model([pixels], [said], targets)["pred_masks"] > 0 for said in SENTENCES[:sentences]]

    return run


def ours(folder: Path, frames: int, sentences: int) -> Callable[[], list[Tensor]]:
    """Makes the run of the system, all sentences together."""
    system = samwise(folder / "samwise.pth", folder)
    pictures = video(frames).permute(0, 2, 3, 1).numpy()

    def run() -> list[Tensor]:
        found = [masks.masks for masks in system.stream([pictures], SENTENCES[:sentences])]
        return list(torch.from_numpy(np.stack(found, axis=1)))

    return run


def video(frames: int) -> Tensor:
    """Blocks of noise, uint8 `[T, 3, H, W]`."""
    blocks = torch.randint(0, 256, (frames, 3, 23, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return blocks.repeat_interleave(25, 2).repeat_interleave(32, 3)


def weights(folder: Path) -> dict[str, Tensor]:
    """Those that `write` wrote."""
    state: dict[str, Tensor] = torch.load(folder / "samwise.pth", weights_only=True)["model"]
    return state


def write(folder: Path) -> None:
    """Writes a file of the published size, and a tokenizer."""
    with torch.device("meta"), weights_follow():
        found = shapes(Samwise(sam2_hiera_base_plus()))
    whole = {name for name in found if name.endswith("tracked")}
    state = {n: torch.zeros(s, dtype=torch.long) if n in whole else drawn(n, s) for n, s in found.items()}
    torch.save({"model": state}, folder / "samwise.pth")
    tiny_roberta_tokenizer(folder)


def kept(found: dict[str, Tensor], label: str, run: Callable[[], list[Tensor]]) -> None:
    """Runs, and keeps the masks."""
    found[label] = torch.stack(run())


def main() -> None:
    options = parser(__doc__, rounds=3)
    options.add_argument("--public", type=Path, help="checkout of the authors' repository")
    options.add_argument("--frames", type=int, default=3, help="of one window: 2 to 8")
    options.add_argument("--sentences", type=int, nargs="+", default=[1, 4])
    options.add_argument("--memory", action="store_true", help="measure peak memory too, each in a process of its own")
    options = options.parse_args()
    if options.public is None or not (options.public / "models/samwise.py").is_file():
        print("left out, as --public names no checkout of SAMWISE's repository")
        return
    torch.set_num_threads(options.threads)
    rows = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        write(folder)
        for count in options.sentences:
            makers = {"authors' code": (theirs, folder, options.public), "samwise": (ours, folder)}
            variants = {label: make(*given, options.frames, count) for label, (make, *given) in makers.items()}
            found: dict[str, Tensor] = {}
            seconds = interleaved(
                {label: partial(kept, found, label, run) for label, run in variants.items()},
                options.rounds,
                warm=True,
                clock=time.process_time,  # others at work on the machine then cost less
            )
            different = (found["authors' code"] != found["samwise"]).float().mean().item()
            for label, (make, *given) in makers.items():
                row = {
                    "label": f"{label}, {count} sentence{'s' if count > 1 else ''}",
                    "processor_seconds_a_frame": seconds[label] / options.frames,
                }
                row |= {"ratio": seconds[label] / seconds["authors' code"], "pixels_that_differ": different}
                if options.memory:
                    row["MiB"] = peak_memory(make, *given, options.frames, count)
                rows.append(row)
    report(
        "samwise_public", f"processor time for a frame of {HEIGHT} x {WIDTH} against the authors' code", options, rows
    )


if __name__ == "__main__":
    main()
