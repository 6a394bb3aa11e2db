from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from refsam_zoo.checkpoints.loading import (
    WeightsFile,
    load_into,
    load_state_dict,
    select_prefix,
    warn_random_weights,
    weights_follow,
)
from refsam_zoo.checkpoints.restoring import read_checkpoint
from refsam_zoo.errors import InputError

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
