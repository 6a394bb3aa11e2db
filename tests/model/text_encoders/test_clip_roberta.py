"""The text tower of an open_clip model that wraps a RoBERTa, against open_clip's own wrapper at a small size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from open_clip.hf_model import HFTextEncoder
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaModel

from refsam_zoo.errors import InputError
from refsam_zoo.model.text_encoders.clip_roberta import ClipRobertaTextEncoder

WORDS = ["<s>", "<pad>", "</s>", "<unk>", "the", "red", "circle", "moves", "left"]
SENTENCES = ["the red circle", "the circle moves left"]
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


class SmallClipRoberta(ClipRobertaTextEncoder):
    architecture, sizes = "roberta", SIZES


@pytest.fixture
def config(tmp_path: Path) -> RobertaConfig:
    """Saves a plain RoBERTa with a vocabulary; gives its configuration."""
    config = RobertaConfig(vocab_size=len(WORDS), max_position_embeddings=40, type_vocab_size=1, **SIZES)
    torch.manual_seed(0)
    RobertaModel(config).save_pretrained(tmp_path / "roberta")
    tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>").save_pretrained(
        tmp_path / "roberta"
    )
    return config


@pytest.fixture
def tower(tmp_path: Path, config: RobertaConfig) -> HFTextEncoder:
    """Saves a CLIP model's text tower in open_clip's format and gives it."""
    torch.manual_seed(1)
    tower = HFTextEncoder("", 16, config=config, pooler_type="mean_pooler", proj_type="linear", pretrained=False)
    state = {f"text.{name}": tensor for name, tensor in tower.state_dict().items()}
    torch.save({**state, "logit_scale": torch.ones(())}, tmp_path / "clip.pt")
    return tower.eval()


def test_a_checkpoint_gives_the_towers_features(tmp_path: Path, tower: HFTextEncoder) -> None:
    encoder = SmallClipRoberta(tmp_path / "roberta", tmp_path / "clip.pt").eval()
    with torch.no_grad():
        tokens = encoder.tokenize(SENTENCES)
        words, mask = encoder(tokens)
        mean = (words * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
        torch.testing.assert_close(tower.proj(mean), tower(tokens.ids), atol=1e-5, rtol=0)


def test_without_a_checkpoint_the_folders_weights_are_kept(tmp_path: Path, config: RobertaConfig) -> None:
    encoder = SmallClipRoberta(tmp_path / "roberta")
    plain = RobertaModel.from_pretrained(tmp_path / "roberta")
    assert encoder.model.embeddings.word_embeddings.weight.equal(plain.embeddings.word_embeddings.weight)


def test_layers_that_are_cut_off_are_not_asked_for(tmp_path: Path, tower: HFTextEncoder) -> None:
    encoder = SmallClipRoberta(tmp_path / "roberta", tmp_path / "clip.pt", layers=1)
    weight = encoder.model.encoder.layer[0].output.dense.weight
    assert weight.equal(tower.transformer.encoder.layer[0].output.dense.weight)
    assert len(encoder.model.encoder.layer) == 1


def test_what_does_not_fit_is_named(tmp_path: Path, tower: HFTextEncoder) -> None:
    with pytest.raises(InputError, match=r"clip\.pt: holds no vocabulary; give the plain model's folder too"):
        SmallClipRoberta(checkpoint=tmp_path / "clip.pt")
    state = torch.load(tmp_path / "clip.pt", weights_only=True)
    torch.save({name: t for name, t in state.items() if ".layer.1." not in name}, tmp_path / "short.pt")
    with pytest.raises(InputError, match=r"short\.pt .*missing: encoder\.layer\.1"):
        SmallClipRoberta(tmp_path / "roberta", tmp_path / "short.pt")
