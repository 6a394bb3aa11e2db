from __future__ import annotations

import argparse
import gzip
import hashlib
import logging
import os
import zipfile
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.fabric.utilities.data import AttributeDict
from safetensors.torch import save_file
from torch import nn

from refsam_zoo.checkpoints.restoring import read_checkpoint, require_steps_left
from refsam_zoo.errors import InputError
from refsam_zoo.model.image_encoders.efficient_sam import efficient_sam_small, efficient_sam_tiny
from refsam_zoo.model.text_encoders.hugging_face import roberta_base
from refsam_zoo.weights.files import (
    WeightsFile,
    load_into,
    load_state_dict,
    select_prefix,
    warn_random_weights,
    weights_follow,
)

STATE = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(2)}


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_pth_files_are_read_and_unwrapped(tmp_path: Path, wrapper: str | None) -> None:
    path = tmp_path / "weights.pth"
    torch.save(STATE if wrapper is None else {wrapper: STATE, "epoch": 3}, path)
    assert {name: tensor.tolist() for name, tensor in load_state_dict(path).items()} == {
        name: tensor.tolist() for name, tensor in STATE.items()
    }


def test_safetensors_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(STATE, path)
    assert load_state_dict(path)["weight"].equal(STATE["weight"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pth", b"", "empty"),
        ("a.pth", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "Git LFS pointer"),
        ("a.pth", b"\n<!DOCTYPE html><html>", "HTML"),
        ("a.pth", b"no weights here, really none", "cannot be read"),
        ("a.safetensors", b"\x10\0\0\0\0\0\0\0{}", "safetensors"),
    ],
)
def test_what_is_no_weights_file_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        load_state_dict(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kept", [1, 100, 5000, 70_000, -100, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a.pth"
    torch.save({"weight": torch.ones(200, 100)}, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match="cannot be read"):
        load_state_dict(path)
    with pytest.raises(InputError, match="not a readable checkpoint"):
        read_checkpoint(path)


def test_code_in_a_file_does_not_run(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save(nn.Linear(2, 2), path)
    with pytest.raises(InputError, match="cannot be read"):
        load_state_dict(path)


def test_a_file_without_tensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"epoch": 3}, path)
    with pytest.raises(InputError, match="no state dict"):
        load_state_dict(path)


def test_the_hash_is_checked_under_the_published_name_only(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "net_0123.pth")
    published = WeightsFile("net_0123.pth", "0123", "its makers", "MIT")
    with pytest.raises(InputError, match="SHA-256"):
        published.load(tmp_path / "net_0123.pth")
    (tmp_path / "net_0123.pth").rename(tmp_path / "tuned.pth")
    assert published.load(tmp_path / "tuned.pth").keys() == STATE.keys()


def test_the_right_hash_passes(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save(STATE, path)
    assert load_state_dict(path, hashlib.sha256(path.read_bytes()).hexdigest()).keys() == STATE.keys()


def test_a_missing_file_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"net\.pth' from its makers"):
        WeightsFile("net.pth", None, "its makers", "MIT").load(tmp_path / "elsewhere.pth")
    with pytest.raises(InputError, match="no such weights file"):
        load_state_dict(tmp_path / "elsewhere.pth")


def test_loading_is_all_or_nothing() -> None:
    module = nn.Linear(3, 2)
    before = module.weight.detach().clone()
    wrong = {"weight": torch.zeros(2, 3), "bias": torch.zeros(5), "scale": torch.zeros(1)}
    with pytest.raises(InputError) as error:
        load_into(module, wrong, "net.pth")
    assert "1 unknown: scale" in str(error.value)
    assert "bias [5] instead of [2]" in str(error.value)
    assert module.weight.equal(before)
    with pytest.raises(InputError, match="1 missing: bias"):
        load_into(module, {"weight": torch.zeros(2, 3)}, "net.pth")
    load_into(module, STATE, "net.pth")
    assert module.weight.equal(STATE["weight"])


def test_long_lists_are_counted() -> None:
    with pytest.raises(InputError, match="5 unknown: a0, a1, a2, and 2 more"):
        load_into(nn.Linear(3, 2), STATE | {f"a{i}": torch.zeros(1) for i in range(5)}, "net.pth")


def test_a_component_is_picked_by_prefix() -> None:
    whole = {"encoder.weight": STATE["weight"], "decoder.weight": STATE["bias"]}
    assert select_prefix(whole, "encoder.").keys() == {"weight"}
    assert select_prefix(STATE, "encoder.").keys() == STATE.keys()


def test_random_weights_are_announced_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        warn_random_weights("a component of this test")
        warn_random_weights("a component of this test")
    assert [record.message for record in caplog.records] == [
        "a component of this test: no checkpoint given, its weights are random"
    ]


def test_weights_that_follow_are_not_missed(caplog: pytest.LogCaptureFixture) -> None:
    with weights_follow():
        warn_random_weights("another component of this test")
    assert caplog.messages == []
    warn_random_weights("another component of this test")
    assert len(caplog.messages) == 1


WRAPPED = {
    "data parallel": {f"module.{name}": tensor for name, tensor in STATE.items()},
    "compiled": {f"_orig_mod.{name}": tensor for name, tensor in STATE.items()},
    "lightning": {"state_dict": {f"model.{name}": tensor for name, tensor in STATE.items()}, "epoch": 1},
    "nested": {"model": {"state_dict": STATE, "step": 3}},
    "all at once": {"model": {"state_dict": {f"module.model._orig_mod.{n}": t for n, t in STATE.items()}}},
    "average": {"ema": STATE, "epoch": 2},
}


@pytest.mark.parametrize("content", WRAPPED.values(), ids=WRAPPED.keys())
def test_wrappers_are_taken_away(tmp_path: Path, content: dict[str, object]) -> None:
    torch.save(content, tmp_path / "a.pth")
    module = nn.Linear(3, 2)
    load_into(module, load_state_dict(tmp_path / "a.pth"), "a.pth")
    assert module.weight.equal(STATE["weight"])


def test_a_message_says_what_was_taken_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    torch.save({"model": {"state_dict": WRAPPED["data parallel"]}}, tmp_path / "a.pth")
    load_state_dict(tmp_path / "a.pth")
    assert "'model.state_dict', without 'module.'" in caplog.text


def test_a_module_whose_own_names_begin_like_a_wrapper(tmp_path: Path) -> None:
    module = nn.ModuleDict({"model": nn.Linear(3, 2)})
    torch.save(module.state_dict(), tmp_path / "a.pth")
    load_into(module, load_state_dict(tmp_path / "a.pth"), "a.pth")


HARMLESS = {
    "arguments": argparse.Namespace(rate=1e-4),
    "numpy number": np.float64(0.5),
    "numpy array": np.arange(3),
    "path": Path("runs/a"),
    "lightning's": AttributeDict(rate=1e-4),
}


@pytest.mark.parametrize("beside", HARMLESS.values(), ids=HARMLESS.keys())
def test_harmless_objects_beside_tensors_are_read(tmp_path: Path, beside: object) -> None:
    torch.save({"model": STATE, "beside": beside}, tmp_path / "a.pth")
    assert load_state_dict(tmp_path / "a.pth").keys() == STATE.keys()


class Unknown:
    """Stands for whatever a training program may have saved."""


class Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("true",)


@pytest.mark.parametrize("beside", [Unknown(), Harmful(), nn.Linear(1, 1), eval], ids=lambda beside: str(type(beside)))
def test_other_objects_are_named_without_advice_to_trust_them(tmp_path: Path, beside: object) -> None:
    torch.save({"model": STATE, "beside": beside}, tmp_path / "a.pth")
    for read in (load_state_dict, read_checkpoint):
        with pytest.raises(InputError, match="object of type") as error:
            read(tmp_path / "a.pth")
        assert not any(word in str(error.value) for word in ("weights_only", "trust", "PyTorch 2.6"))


def test_the_content_counts_and_not_the_suffix(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "a.pth")
    torch.save(STATE, tmp_path / "b.safetensors")
    torch.save(STATE, tmp_path / "c.bin", _use_new_zipfile_serialization=False)
    for name in ("a.pth", "b.safetensors", "c.bin"):
        assert load_state_dict(tmp_path / name)["weight"].equal(STATE["weight"])


def test_a_folder_is_refused_with_the_files_to_give(tmp_path: Path) -> None:
    checkpoints = tmp_path / "run" / "checkpoints"
    checkpoints.mkdir(parents=True)
    for name in ("best.ckpt", "last.ckpt"):
        torch.save(STATE, checkpoints / name)
    for read in (load_state_dict, read_checkpoint):
        with pytest.raises(InputError, match=r"run/checkpoints/best\.ckpt, .*run/checkpoints/last\.ckpt"):
            read(tmp_path / "run")


def test_other_archives_are_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("weights/model.pth", b"")
    (tmp_path / "b.pth").write_bytes(gzip.compress(b"weights"))
    (tmp_path / "c.safetensors").write_text('{"metadata": {}}')
    torch.jit.script(nn.Linear(2, 2)).save(tmp_path / "d.pt")
    for name, kind in {"a.pth": "zip archive", "b.pth": "gzip", "c.safetensors": "JSON", "d.pt": "TorchScript"}.items():
        with pytest.raises(InputError, match=kind):
            load_state_dict(tmp_path / name)


def test_another_encoders_weights_are_recognised(tmp_path: Path) -> None:
    with torch.device("meta"):
        shapes = efficient_sam_small().vit.state_dict()
    zero = torch.zeros(1)  # one number on disk for each tensor
    torch.save({f"image_encoder.{n}": zero.expand(t.shape) for n, t in shapes.items()}, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"this looks like efficient_sam_small$"):
        efficient_sam_tiny(str(tmp_path / "a.pth"))


def test_an_encoder_of_other_sizes_is_for_the_entry_that_takes_any(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "roberta", "hidden_size": 64}')
    with pytest.raises(InputError, match=r"hidden_size is 64 instead of 768; this looks like .*hugging_face"):
        roberta_base(str(tmp_path))


@pytest.mark.parametrize(
    ("limits", "refused"), [((20, -1), True), ((31, -1), False), ((-1, 3), True), ((-1, None), False)]
)
def test_resuming_at_the_end_is_refused(limits: tuple[int, int | None], refused: bool) -> None:
    content = {"global_step": 30, "loops": {"fit_loop": {"epoch_progress": {"current": {"processed": 3}}}}}
    with pytest.raises(InputError, match="nothing to train") if refused else nullcontext():
        require_steps_left(content, "last.ckpt", *limits)


def test_an_input_error_is_a_value_error() -> None:
    assert issubclass(InputError, ValueError)


def test_a_runs_checkpoint_given_to_an_encoder_is_recognised() -> None:
    state = {"model.image_encoder.weight": STATE["weight"], "alignment.shift": STATE["bias"]}
    with pytest.raises(InputError, match=r"checkpoint of a run.*--model\.weights"):
        load_into(nn.Linear(3, 2), state, "last.ckpt")
