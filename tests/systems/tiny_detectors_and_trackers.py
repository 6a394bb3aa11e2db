"""Detectors and video trackers of the transformers package at tiny random sizes, saved as folders in the hub's layout.

Every maker takes an empty folder and writes `config.json`, `model.safetensors` and the processor's files. Weights are
wider than usual, so that the numbers of different frames and sentences differ clearly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from systems.tiny_folders import letters_tokenizer
from transformers import (
    BertTokenizer,
    EdgeTamVideoConfig,
    EdgeTamVideoModel,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
    MMGroundingDinoConfig,
    MMGroundingDinoForObjectDetection,
    Owlv2Config,
    Owlv2ForObjectDetection,
    Owlv2ImageProcessor,
    Owlv2Processor,
    Sam2ImageProcessor,
    Sam2VideoConfig,
    Sam2VideoModel,
    Sam2VideoProcessor,
    Sam2VideoVideoProcessor,
)

WORDS = ["the", "a", "red", "green", "square", "circle", "star", "dog", "left", "of", "moving"]
BERT_IDS = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, ".": 1012, "?": 1029}
"""Where Grounding DINO looks for BERT's special tokens and for what divides phrases."""


def _widen(model: torch.nn.Module, times: float) -> None:
    for name, weight in model.named_parameters():
        if weight.ndim > 1 and not name.endswith("relative_position_bias_table"):
            weight.data *= times


def _bert_tokenizer() -> BertTokenizer:
    vocabulary = {f"[unused{number}]": number for number in range(1040)}
    taken = BERT_IDS | {word: 200 + number for number, word in enumerate(WORDS)}
    vocabulary = {name: number for name, number in vocabulary.items() if number not in taken.values()} | taken
    return BertTokenizer(vocab=vocabulary, do_lower_case=True)


def _dino_sizes() -> dict[str, object]:
    return {
        "backbone_config": {
            "model_type": "swin",
            "image_size": 64,
            "embed_dim": 16,
            "depths": [1, 1, 1, 1],
            "num_heads": [1, 1, 2, 2],
            "window_size": 4,
            "out_indices": [2, 3, 4],
        },
        "text_config": {
            "model_type": "bert",
            "vocab_size": 1040,
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "max_position_embeddings": 64,
        },
        "d_model": 32,
        "num_queries": 12,
        "max_text_len": 24,
        "encoder_layers": 1,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 32,
        "decoder_ffn_dim": 32,
        "positional_embedding_temperature": 20,
    }


def _save_dino(folder: Path, model: torch.nn.Module) -> None:
    _widen(model, 2)
    for head in model.model.decoder.bbox_embed:
        head.layers[-1].bias.data[2:] = 1  # boxes are a few pixels wide otherwise
    model.save_pretrained(folder)
    size = {"shortest_edge": 72, "longest_edge": 96}  # at 64 the coarsest map is one cell, which group norms refuse
    GroundingDinoProcessor(GroundingDinoImageProcessor(size=size), _bert_tokenizer()).save_pretrained(folder)


def tiny_grounding_dino(folder: Path) -> None:
    """Writes a Grounding DINO (arXiv 2303.05499) of two decoder layers for frames of 64 pixels."""
    torch.manual_seed(0)
    model = GroundingDinoForObjectDetection(GroundingDinoConfig(**_dino_sizes()))
    model.model.decoder.layer_norm.weight.data /= 5  # scores are all close to 1 otherwise
    _save_dino(folder, model)


def tiny_mm_grounding_dino(folder: Path) -> None:
    """Writes an MM Grounding DINO (arXiv 2401.02361) of two decoder layers for frames of 64 pixels."""
    torch.manual_seed(0)
    model = MMGroundingDinoForObjectDetection(MMGroundingDinoConfig(**_dino_sizes()))
    _save_dino(folder, model)


def tiny_owlv2(folder: Path) -> None:
    """Writes an OWLv2 (arXiv 2306.09683) of two layers for frames of 64 pixels."""
    torch.manual_seed(0)
    tokenizer = letters_tokenizer(folder, 16)
    small = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 32, "intermediate_size": 32}
    text = small | {"vocab_size": len(tokenizer), "max_position_embeddings": 16, "bos_token_id": tokenizer.bos_token_id}
    text |= {"eos_token_id": tokenizer.eos_token_id}
    vision = small | {"image_size": 64, "patch_size": 16}
    model = Owlv2ForObjectDetection(Owlv2Config(text_config=text, vision_config=vision, projection_dim=32))
    for head in (model.class_head.logit_shift, model.class_head.logit_scale):
        head.weight.data /= 20  # scores are all close to 0 or 1 otherwise
    model.box_head.dense2.weight.data /= 500  # and boxes have no area
    model.box_head.dense2.bias.data[2:] = 1
    model.save_pretrained(folder)
    processor = Owlv2Processor(Owlv2ImageProcessor(size={"height": 64, "width": 64}), tokenizer)
    processor.save_pretrained(folder)


def _tracker_sizes() -> dict[str, object]:
    return {
        "image_size": 64,
        "prompt_encoder_config": {"hidden_size": 128, "image_size": 64, "patch_size": 16, "mask_input_channels": 4},
        "mask_decoder_config": {
            "hidden_size": 128,
            "mlp_dim": 32,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 32,
        },
        "memory_attention_hidden_size": 128,
        "memory_attention_num_layers": 1,
        "memory_attention_rope_feat_sizes": [4, 4],
        "memory_encoder_hidden_size": 128,
        "mask_downsampler_embed_dim": 128,
        "memory_fuser_embed_dim": 128,
        "memory_fuser_intermediate_dim": 32,
    }


def _save_tracker(folder: Path, model: torch.nn.Module) -> None:
    model.save_pretrained(folder)
    size = {"height": 64, "width": 64}
    mask_size = {"height": 16, "width": 16}
    images, videos = Sam2ImageProcessor(size=size, mask_size=mask_size), Sam2VideoVideoProcessor(size=size)
    Sam2VideoProcessor(images, videos, target_size=64).save_pretrained(folder)


def tiny_sam2_video(folder: Path) -> None:
    """Writes a SAM 2.1 video model (arXiv 2408.00714) of five blocks for frames of 64 pixels."""
    torch.manual_seed(0)
    vision = {
        "model_type": "sam2_vision_model",
        "backbone_config": {
            "model_type": "sam2_hiera_det_model",
            "hidden_size": 8,
            "num_attention_heads": 1,
            "image_size": [64, 64],
            "window_positional_embedding_background_size": [2, 2],
            "blocks_per_stage": [1, 1, 2, 1],
            "embed_dim_per_stage": [8, 16, 32, 64],
            "num_attention_heads_per_stage": [1, 1, 2, 2],
            "window_size_per_stage": [4, 4, 4, 2],
            "global_attention_blocks": [3],
        },
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        "fpn_hidden_size": 128,
    }
    sizes = _tracker_sizes() | {"memory_attention_feed_forward_hidden_size": 32}
    model = Sam2VideoModel(Sam2VideoConfig(vision_config=vision, **sizes))
    _make_alive(model)
    _save_tracker(folder, model)


def tiny_edgetam_video(folder: Path) -> None:
    """Writes an EdgeTAM video model (arXiv 2501.07256) with a RepViT of timm for frames of 64 pixels."""
    torch.manual_seed(0)
    vision = {
        "model_type": "edgetam_vision_model",
        "backbone_config": {
            "model_type": "timm_wrapper",
            "architecture": "repvit_m1",
            "model_args": {"features_only": True, "embed_dim": [8, 16, 24, 32], "depth": [1, 1, 1, 1]},
            "num_classes": 2,
        },
        "backbone_channel_list": [32, 24, 16, 8],
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        "fpn_hidden_size": 128,
    }
    sizes = _tracker_sizes() | {
        "memory_attention_mlp_hidden_size": 32,
        "memory_attention_rope_k_sizes": [2, 2],
        "perceiver_resampler_num_latents": 4,
        "perceiver_resampler_num_latents_2d": 4,
        "perceiver_resampler_mlp_intermediate_size": 16,
    }
    model = EdgeTamVideoModel(EdgeTamVideoConfig(vision_config=vision, **sizes))
    _make_alive(model)
    _save_tracker(folder, model)


def _make_alive(model: torch.nn.Module) -> None:
    """Gives numbers to what starts as zeros, so that memory changes masks, and lets the object be seen."""
    _widen(model, 4)
    for name, weight in model.named_parameters():
        if name.endswith("scale"):  # the memory fuser's layers start switched off
            torch.nn.init.ones_(weight)
        elif not weight.any():
            torch.nn.init.normal_(weight, std=0.3)
    model.get_submodule("mask_decoder.pred_obj_score_head").proj_out.bias.data.fill_(2)


DETECTORS: Mapping[str, Callable[[Path], None]] = {
    "grounding-dino": tiny_grounding_dino,
    "mm-grounding-dino": tiny_mm_grounding_dino,
    "owlv2": tiny_owlv2,
}
TRACKERS: Mapping[str, Callable[[Path], None]] = {"sam2_video": tiny_sam2_video, "edgetam_video": tiny_edgetam_video}
"""What `config.json` calls the model -> its maker."""
