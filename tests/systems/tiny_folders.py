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
    Sam2VideoVideoProcessor,
    Sam3ImageProcessor,
    Sam3VideoConfig,
    Sam3VideoModel,
    Sam3VideoProcessor,
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
    model = CLIPSegForImageSegmentation(config).eval()
    with torch.no_grad():  # random weights differ between releases: half of a picture of noise is found by any
        logits = model(pixel_values=torch.randn(1, 3, 32, 32), input_ids=torch.tensor([[end - 1, 0, 1, end]])).logits
        model.decoder.transposed_convolution[-1].bias -= logits.median()
    return save_clipseg(folder, model, 32)


def save_clipseg(folder: Path, model: CLIPSegForImageSegmentation, side: int) -> Path:
    """Writes a model of any size with what prepares its pictures and sentences."""
    model.save_pretrained(folder)
    size = {"height": side, "width": side}
    pictures = ViTImageProcessor(size=size, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])
    CLIPSegProcessor(pictures, letters_tokenizer(folder, 77)).save_pretrained(folder)
    return folder


def tiny_sam3(folder: Path, seed: int = 0) -> Path:
    """SAM 3 with a backbone of two layers and pictures of 56 x 56, whose random detector finds something."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = letters_tokenizer(folder, 32)
    torch.manual_seed(seed)
    model = Sam3VideoModel(sam3_config(len(tokenizer)))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:  # by which pictures differ
                parameter.mul_(3)
        model.tracker_model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(2)  # followed objects are there
    return save_sam3(folder, model, 56)


def save_sam3(folder: Path, model: Sam3VideoModel, side: int) -> Path:
    """Writes a model of any size with what prepares its pictures and phrases."""
    model.save_pretrained(folder)
    size, mask_size = ({"height": length, "width": length} for length in (side, 2 * side // 7))
    pictures = Sam3ImageProcessor(size=size, mask_size=mask_size)
    tokenizer = letters_tokenizer(folder, 32)
    Sam3VideoProcessor(pictures, Sam2VideoVideoProcessor(size=size), tokenizer).save_pretrained(folder)
    return folder


def sam3_config(words: int) -> Sam3VideoConfig:
    """Sizes that the package does not fix: it wants memories of 64 channels, and wider features."""
    vision = {
        "backbone_config": {
            "model_type": "sam3_vit_model", "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 2, "image_size": 56, "window_size": 2, "global_attn_indexes": [1],
            "pretrain_image_size": 28,
        },
        "fpn_hidden_size": 128,
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
    }  # fmt: skip
    part = {"hidden_size": 128, "num_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    return Sam3VideoConfig(
        detector_config={
            "model_type": "sam3",
            "vision_config": vision,
            "text_config": {
                "vocab_size": words, "hidden_size": 32, "intermediate_size": 32, "projection_dim": 128,
                "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 32,
                "bos_token_id": words - 2, "eos_token_id": words - 1,
            },
            "geometry_encoder_config": part,
            "detr_encoder_config": part,
            "detr_decoder_config": {**part, "num_queries": 5},
            "mask_decoder_config": {"hidden_size": 128, "num_attention_heads": 2},
        },
        tracker_config={
            "model_type": "sam3_tracker_video", "vision_config": vision, "image_size": 56,
            "prompt_encoder_config": {"hidden_size": 128, "image_size": 56, "mask_input_channels": 8},
            "mask_decoder_config": {
                "hidden_size": 128, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 32,
            },
            "memory_attention_hidden_size": 128, "memory_attention_num_layers": 1,
            "memory_attention_feed_forward_hidden_size": 32, "memory_attention_rope_feat_sizes": [4, 4],
            "memory_encoder_hidden_size": 128, "memory_encoder_output_channels": 64, "mask_downsampler_embed_dim": 128,
            "memory_fuser_embed_dim": 128, "memory_fuser_intermediate_dim": 32, "memory_fuser_num_layers": 1,
        },
        low_res_mask_size=16, max_num_objects=5, recondition_every_nth_frame=8,
        score_threshold_detection=0.24, new_det_thresh=0.271, assoc_iou_thresh=0.5, high_conf_thresh=0.249,
        high_iou_thresh=0.1,
    )  # fmt: skip
