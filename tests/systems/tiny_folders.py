"""Folders in the hub's layout with tiny random models of the transformers package: the real classes, no download."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from transformers import (
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    CLIPSegProcessor,
    CLIPTokenizer,
    PreTrainedTokenizerBase,
    ViTImageProcessor,
)
from transformers.convert_slow_tokenizer import bytes_to_unicode


def letters_tokenizer(folder: Path, max_tokens: int) -> PreTrainedTokenizerBase:
    """CLIP's tokenizer with a token to a letter."""
    letters = list(bytes_to_unicode().values())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer.from_pretrained(folder, model_max_length=max_tokens)


def tiny_clipseg(folder: Path, seed: int = 0) -> Path:
    """CLIPSeg with two layers in each tower and pictures of 32 x 32."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = letters_tokenizer(folder, 77)
    tower = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    end = len(tokenizer) - 1
    config = CLIPSegConfig(
        text_config={**tower, "vocab_size": len(tokenizer), "bos_token_id": end - 1, "eos_token_id": end},
        vision_config={**tower, "image_size": 16, "patch_size": 8},
        projection_dim=16,
        reduce_dim=8,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=16,
        extract_layers=[0, 1],
        use_complex_transposed_convolution=True,
        initializer_factor=0.5,
    )
    torch.manual_seed(seed)
    CLIPSegForImageSegmentation(config).save_pretrained(folder)
    CLIPSegProcessor(
        ViTImageProcessor(
            size={"height": 32, "width": 32}, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]
        ),
        tokenizer,
    ).save_pretrained(folder)
    return folder
