"""A model as a folder: written whole, loaded by itself, with a page that says what it is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from refsam_zoo import InputError, Predictor, create_model, load_model
from refsam_zoo.checkpoints.exporting import export_checkpoint
from refsam_zoo.model.image_encoders.vit_tiny import vit_tiny
from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.model.text_encoders.clip_tiny import clip_tiny
from refsam_zoo.model.text_encoders.hugging_face import hugging_face
from refsam_zoo.model.trackers.track_mlp import track_mlp
from refsam_zoo.model.tuners.lora import lora


def small(**parts: object) -> RefSAM:
    torch.manual_seed(1)
    chosen = {"text_encoder": clip_tiny(layers=1), "tuner": lora(rank=2), **parts}
    return create_model(image_encoder=vit_tiny(image_size=64), **chosen)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretrained") / "model"
    small().save_pretrained(folder, "Trained on nothing.")
    return folder


def test_the_same_model_comes_back(folder: Path) -> None:
    model, again = small(), load_model(folder)
    assert again.composition == model.composition
    assert not again.training
    assert again.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in model.state_dict().items())
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert [name for name, parameter in again.named_parameters() if parameter.requires_grad] == trained
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors", "README.md"}


def test_a_predictor_is_made_of_it(folder: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (2, 40, 50, 3), np.uint8)
    expected = list(Predictor(small().eval(), threshold=0.1).stream(frames, ["a dog", "a cat"]))
    predictor = Predictor.from_pretrained(folder, device="cpu", threshold=0.1)
    for one, other in zip(predictor.stream(frames, ["a dog", "a cat"]), expected, strict=True):
        np.testing.assert_array_equal(one.masks, other.masks)
        np.testing.assert_array_equal(one.scores, other.scores)
    assert Predictor.from_pretrained(folder, "cpu", torch.bfloat16).model.prompt_encoder.no_mask_embed.weight.dtype == (
        torch.bfloat16
    )


def test_the_page_names_parts_and_licences(folder: Path) -> None:
    page = (folder / "README.md").read_text(encoding="utf-8")
    assert "| tuner | lora (LoRA) | none | - |" in page
    assert "Trained on nothing." in page
    assert "Predictor.from_pretrained" in page


def test_it_needs_no_training_stack(folder: Path) -> None:
    absent = (
        "lightning",
        "wandb",
        "tensorboard",
        "h5py",
        "pycocotools",
        "albumentations",
        "torchmetrics",
        "matplotlib",
    )
    code = f"""
import sys
sys.modules.update(dict.fromkeys({absent}))  # importing them fails
import refsam_zoo
print(type(refsam_zoo.Predictor.from_pretrained({str(folder)!r}, "cpu")).__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("Predictor\n", 0), done.stderr


def test_a_vocabulary_goes_with_it(tmp_path: Path) -> None:
    start = tmp_path / "bert"
    words = ["[PAD]", "[UNK]", "the", "red", "circle"]
    tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]")
    fast.save_pretrained(start)
    config = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    BertModel(config).save_pretrained(start)
    model = small(text_encoder=hugging_face(start, layers=1), text_tuner="lora")
    model.save_pretrained(tmp_path / "model")
    expected = model.encode_text(["the red circle"]).words
    shutil.rmtree(start)
    again = load_model(tmp_path / "model")
    assert torch.equal(again.encode_text(["the red circle"]).words, expected)
    again.save_pretrained(tmp_path / "copy")
    shutil.rmtree(tmp_path / "model")
    assert torch.equal(load_model(tmp_path / "copy").encode_text(["the red circle"]).words, expected)


def test_a_part_of_more_than_plain_values_is_named(tmp_path: Path) -> None:
    class Own(track_mlp):
        pass

    with pytest.raises(InputError, match="how the model's tracker was made"):
        small(tracker=Own()).save_pretrained(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_folder_is_kept(folder: Path) -> None:
    before = (folder / "config.json").read_bytes()
    with pytest.raises(InputError, match="is not empty"):
        small().save_pretrained(folder)
    assert (folder / "config.json").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("config.json", b"{", r"config\.json: cannot be read"),
        ("config.json", b"[]", r"config\.json: not what model\.save_pretrained"),
        ("config.json", b'{"model_type": "bert"}', "but of a model of type 'bert'"),
        ("config.json", b'{"composition": {}, "format": 7}', "format 7 instead of 1"),
        ("model.safetensors", b"", r"model\.safetensors: the file is empty"),
        ("model.safetensors", None, r"model\.safetensors"),
    ],
)
def test_a_damaged_folder_gives_one_line(
    folder: Path, tmp_path: Path, name: str, content: bytes | None, complaint: str
) -> None:
    damaged = shutil.copytree(folder, tmp_path / "model")
    (damaged / name).unlink()
    if content is not None:
        (damaged / name).write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        load_model(damaged)


def test_a_part_that_is_gone_is_named(folder: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(folder, tmp_path / "model")
    config = json.loads((damaged / "config.json").read_text())
    config["composition"]["tracker"]["class_path"] = "refsam_zoo.model.trackers.track_mlp.track_mpl"
    (damaged / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"cannot build its model: .*no track_mpl; did you mean 'track_mlp'"):
        load_model(damaged)


def test_a_run_is_exported_with_what_it_tells(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    model = small()
    (run / "checkpoints").mkdir(parents=True)
    state = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    optimiser = {"moments": [torch.zeros_like(tensor) for tensor in state.values()]}
    torch.save(
        {"hyper_parameters": model.composition, "state_dict": state, "optimizer_states": [optimiser]},
        run / "checkpoints" / "best.ckpt",
    )
    (run / "config.yaml").write_text(yaml.safe_dump({"data": {"class_path": "refsam_zoo.data_modules.RefShapes"}}))
    (run / "evaluation").mkdir()
    (run / "evaluation" / "summary.md").write_text("| J&F |\n|---|\n| 51.2 |\n")
    lines = list(export_checkpoint(run / "checkpoints" / "best.ckpt", tmp_path / "out", "Apache-2.0"))
    assert [line.split(":")[0] for line in lines] == [
        str(tmp_path / "out" / name) for name in ("README.md", "config.json", "model.safetensors")
    ]
    page = (tmp_path / "out" / "README.md").read_text()
    assert "Licence of these weights: Apache-2.0." in page
    assert "Trained on RefShapes." in page
    assert "| 51.2 |" in page
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    written, size = tmp_path / "out" / "model.safetensors", (run / "checkpoints" / "best.ckpt").stat().st_size
    assert written.stat().st_size < 0.6 * size
