from __future__ import annotations

from pathlib import Path

import pytest
import torch
from open_clip.model import CLIP, CustomTextCLIP
from open_clip.tokenizer import SimpleTokenizer
from open_clip.transformer import TextTransformer
from torch import nn

from refsam_zoo.errors import InputError
from refsam_zoo.model.text_encoders.clip import clip, clip_vit_b_32
from refsam_zoo.model.text_encoders.clip_tower import ClipTower

VISION = {"layers": 1, "width": 64, "patch_size": 32, "image_size": 32, "head_width": 32}
TEXT = {"width": 512, "heads": 8, "layers": 2}
SENTENCE = "a brown dog running to the left"


@pytest.mark.parametrize(("model_class", "quick_gelu"), [(CLIP, True), (CustomTextCLIP, False)])
def test_the_text_tower_of_a_clip_file_gives_clips_features(
    tmp_path: Path, model_class: type[CLIP] | type[CustomTextCLIP], quick_gelu: bool
) -> None:
    torch.manual_seed(0)
    clip = model_class(64, VISION, TEXT, quick_gelu=quick_gelu).eval()
    torch.save(clip.state_dict(), tmp_path / "clip.pt")
    encoder = clip_vit_b_32(tmp_path / "clip.pt", layers=2, quick_gelu=quick_gelu).eval()
    projection = clip.text_projection if model_class is CLIP else clip.text.text_projection
    with torch.no_grad():
        expected = clip.encode_text(SimpleTokenizer()([SENTENCE]))
        words = encoder(encoder.tokenize([SENTENCE])).words
        torch.testing.assert_close(words[:, -1] @ projection, expected, atol=1e-5, rtol=0)
        fewer = clip_vit_b_32(tmp_path / "clip.pt", layers=1, quick_gelu=quick_gelu).eval()
        assert not torch.allclose(fewer(fewer.tokenize([SENTENCE])).words, words, atol=1e-2)


def test_a_file_with_fewer_layers_is_refused(tmp_path: Path) -> None:
    torch.save(CLIP(64, VISION, TEXT).state_dict(), tmp_path / "clip.pt")
    with pytest.raises(InputError, match=r"clip\.pt .*120 missing: transformer\.resblocks\.2"):
        clip_vit_b_32(tmp_path / "clip.pt")


def test_towers_are_known_by_their_names_in_open_clip() -> None:
    assert clip("ViT-H-14", layers=1).width == 1024
    with pytest.raises(InputError, match="unknown open_clip model 'ViT-H14'; did you mean 'ViT-H-14'"):
        clip("ViT-H14")
    for another_vocabulary in ("ViT-B-16-SigLIP", "roberta-ViT-B-32"):
        with pytest.raises(InputError, match="is not built like CLIP's"):
            clip(another_vocabulary)


def test_random_weights_are_drawn_as_those_of_open_clip() -> None:
    torch.manual_seed(0)
    theirs = TextTransformer(context_length=8, vocab_size=10, width=16, heads=2, layers=3, output_dim=None)
    torch.manual_seed(0)
    ours = ClipTower(10, 8, 16, 2, 3, nn.GELU)
    assert [*ours.state_dict()] == [*theirs.state_dict()]
    for name, weights in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], weights), name
