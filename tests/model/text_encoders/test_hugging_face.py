from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, T5Config, T5EncoderModel

from refsam_zoo.errors import InputError
from refsam_zoo.model.text_encoders.hugging_face import hugging_face, roberta_base

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "red", "circle", "moves", "left"]
SENTENCES = ["the red circle", "the circle moves left"]


def save_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    fast.save_pretrained(folder)
    return fast


@pytest.fixture
def bert(tmp_path: Path) -> BertModel:
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    torch.manual_seed(0)
    model = BertModel(config).eval()
    model.save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    return model


def test_a_bert_folder_gives_berts_features(tmp_path: Path, bert: BertModel) -> None:
    encoder = hugging_face(tmp_path).eval()
    tokens = encoder.tokenize(SENTENCES)
    assert tokens.ids[0].tolist() == [2, 4, 5, 6, 3, 0]
    with torch.no_grad():
        expected = bert(input_ids=tokens.ids, attention_mask=tokens.mask.long()).last_hidden_state
        features = encoder(tokens)
    assert encoder.width == 32
    torch.testing.assert_close(features.words[features.mask], expected[tokens.mask], atol=1e-6, rtol=0)


def test_a_t5_folder_gives_its_encoder(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    torch.manual_seed(0)
    t5 = T5EncoderModel(T5Config(vocab_size=9, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=2)).eval()
    t5.save_pretrained(tmp_path)
    encoder = hugging_face(tmp_path).eval()
    tokens = encoder.tokenize(SENTENCES[:1])
    with torch.no_grad():
        torch.testing.assert_close(encoder(tokens).words, t5(tokens.ids).last_hidden_state, atol=1e-6, rtol=0)


def test_fewer_layers_can_be_kept(tmp_path: Path, bert: BertModel) -> None:
    encoder = hugging_face(tmp_path, layers=1).eval()
    tokens = encoder.tokenize(SENTENCES)
    with torch.no_grad():
        expected = bert(tokens.ids, tokens.mask.long(), output_hidden_states=True).hidden_states[1]
        torch.testing.assert_close(encoder(tokens).words, expected, atol=1e-6, rtol=0)


def test_a_name_is_looked_up_in_the_local_cache(
    tmp_path: Path, bert: BertModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    with pytest.raises(InputError, match=r"someone/small-bert: .* local Hugging Face cache"):
        hugging_face(Path("someone/small-bert"))
    model = cache / "models--someone--small-bert"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text("0" * 40)
    snapshot = model / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    bert.save_pretrained(snapshot)
    save_tokenizer(snapshot)
    encoder = hugging_face(Path("someone/small-bert"))
    assert encoder.model.state_dict()["embeddings.word_embeddings.weight"].equal(bert.embeddings.word_embeddings.weight)


def test_another_models_folder_is_refused(tmp_path: Path, bert: BertModel) -> None:
    with pytest.raises(InputError, match="not a roberta_base: model_type is bert instead of roberta"):
        roberta_base(tmp_path)


def test_missing_files_are_named(tmp_path: Path, bert: BertModel) -> None:
    with pytest.raises(InputError, match=r"config\.json"):
        hugging_face(tmp_path / "nowhere")
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(InputError, match="tokenizer"):
        hugging_face(tmp_path)
    save_tokenizer(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match="weights"):
        hugging_face(tmp_path)


def test_incomplete_weights_are_refused(tmp_path: Path, bert: BertModel) -> None:
    state = {name: tensor for name, tensor in bert.state_dict().items() if "layer.1.output" not in name}
    bert.save_pretrained(tmp_path, state_dict=state)
    with pytest.raises(InputError, match=r"do not fit BertModel: 4 missing: encoder\.layer\.1\.output"):
        hugging_face(tmp_path)


def test_truncated_weights_are_refused(tmp_path: Path, bert: BertModel) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match="weights"):
        hugging_face(tmp_path)
