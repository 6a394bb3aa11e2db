"""Puts the parts of RefSAM together: the same way for training, for a checkpoint and for `create_model`."""

from __future__ import annotations

from pathlib import Path

from refsam_zoo.model.cross_modal import CrossModalMLP
from refsam_zoo.model.image_encoders import ImageEncoder
from refsam_zoo.model.mask_decoders import MaskDecoder
from refsam_zoo.model.mask_decoders.sam import load_sam_decoder
from refsam_zoo.model.prompts import DensePrompt, SparsePrompt
from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.model.text_encoders import TextEncoder
from refsam_zoo.model.trackers import Tracker
from refsam_zoo.model.tuners import Tuner
from refsam_zoo.recipes import recipes
from refsam_zoo.weights.components import load_components
from refsam_zoo.weights.files import load_state_dict, select_prefix


def compose(
    image_encoder: ImageEncoder,
    text_encoder: TextEncoder,
    tuner: Tuner,
    text_tuner: Tuner,
    cross_modal: CrossModalMLP,
    sparse_prompt: SparsePrompt,
    dense_prompt: DensePrompt,
    mask_decoder: MaskDecoder,
    tracker: Tracker,
    decoder_checkpoint: str | Path | None = None,
    weights: str | Path | None = None,
) -> RefSAM:
    """Composes a RefSAM of which exactly that is trainable which is to be trained.

    Args:
        image_encoder: Image encoder by name or class path.
        text_encoder: Text encoder by name or class path.
        tuner: What is trained of the image encoder.
        text_tuner: What is trained of the text encoder.
        cross_modal: Projection of text features into SAM's embedding space.
        sparse_prompt: Prompt tokens made of the words.
        dense_prompt: Prompt map made of words and image.
        mask_decoder: SAM's mask decoder.
        tracker: What is carried from frame to frame.
        decoder_checkpoint: SAM checkpoint whose prompt encoder and mask decoder are loaded, usually the image
            encoder's file; None means random weights.
        weights: Components to start from, loaded last: a file of `refsam-zoo convert` or a run's checkpoint, for
            instance of the first stage of training.

    Raises:
        InputError: A tuner finds nothing to tune, or a weights file does not fit.
    """
    parts = {name: part for name, part in locals().items() if name not in ("decoder_checkpoint", "weights")}
    model = RefSAM(
        tuner.apply(image_encoder),
        text_tuner.apply(text_encoder),
        cross_modal,
        sparse_prompt,
        dense_prompt,
        mask_decoder,
        tracker,
    )
    if decoder_checkpoint is not None:
        load_sam_decoder(model.prompt_encoder, model.mask_decoder, decoder_checkpoint)
    if weights is not None:
        load_components(model, select_prefix(load_state_dict(weights), "model."), str(weights))
    mask_decoder.freeze_unused()
    tracker.freeze_unused(mask_decoder)
    model.composition = {name: recipes({name: part}).get(name) for name, part in parts.items()}
    return model
