"""EVF-SAM against numbers of its authors' code, its published names, and folders that are something else."""

from __future__ import annotations

import json
import math
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from systems.tiny_evf_sam import shapes, tiny_evf_sam, tiny_state

from refsam_zoo.errors import InputError
from refsam_zoo.model.beit3 import Beit3Size
from refsam_zoo.model.evf_sam import EvfSam, EvfSam2
from refsam_zoo.systems.evf_sam import EvfSegmenter, evf_sam, evf_sam2
from refsam_zoo.types import Tokens

RECORD = json.loads((Path(__file__).parents[1] / "data" / "evf_sam.json").read_text())
SENTENCES = ["the red square", "a small green circle moving to the left"]
SYSTEM = {"sam": evf_sam, "sam2": evf_sam2}
KIND: dict[str, type[EvfSam]] = {"sam": EvfSam, "sam2": EvfSam2}


def video() -> torch.Tensor:
    """Three frames of 42 x 64 in large blocks, uint8 `[3, 3, H, W]`."""
    frames = [np.random.default_rng(n).integers(0, 256, (3, 4, 3), dtype=np.uint8) for n in range(3)]
    return torch.from_numpy(np.stack(frames).repeat(14, 1).repeat(16, 2)).permute(0, 3, 1, 2)


@pytest.fixture(scope="module", params=["sam", "sam2"])
def name(request: pytest.FixtureRequest) -> str:
    given: str = request.param
    return given


@pytest.fixture(scope="module")
def folder(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_evf_sam(tmp_path_factory.mktemp(name), KIND[name])


@pytest.fixture(scope="module")
def system(name: str, folder: Path) -> EvfSegmenter:
    return SYSTEM[name](folder)


def tokens_of(system: EvfSegmenter, sentences: list[str]) -> Tokens:
    tokens = system.start(sentences).sentences
    assert tokens is not None
    return tokens


@torch.inference_mode()
def test_a_video_has_the_numbers_of_the_published_code(name: str, system: EvfSegmenter) -> None:
    model, found = system.model, []
    encoded, small = model.encode_images(video()), model.small_pixels(video())
    for step in range(3):
        for sentence in SENTENCES:
            prompt = model.prompts(small[step : step + 1], tokens_of(system, [sentence]))
            logits = model.restore(model.segment(encoded.select(slice(step, step + 1)), prompt), (42, 64))[0]
            found.append(torch.stack([*prompt[0, 0, :3], *logits[[3, 17, 38], [5, 40, 60]], logits.std()]))
    torch.testing.assert_close(torch.stack(found), torch.tensor(RECORD["videos"][name]), atol=1e-4, rtol=0)


@torch.inference_mode()
def test_beit3_alone_has_them_with_padded_sentences(system: EvfSegmenter) -> None:
    tokens = tokens_of(system, SENTENCES)
    assert not tokens.mask.all()
    found = system.model.beit3(system.model.small_pixels(video()[:2]), tokens)
    torch.testing.assert_close(found[:, :8], torch.tensor(RECORD["beit3"]), atol=1e-5, rtol=1e-5)


def test_the_published_file_has_just_our_names_and_shapes(name: str) -> None:
    size = Beit3Size(width=1024, layers=24, hidden=4096, side=224, patch=16, words=64010, positions=1024)
    found = shapes(KIND[name], SYSTEM[name].encoders["large" if name == "sam2" else "huge"], size)
    lines = sorted(f"{tensor} {list(shape)}" for tensor, shape in found.items())
    expected = RECORD["names"][name]
    assert len(lines) == expected["tensors"]
    assert sum(map(math.prod, found.values())) == expected["numbers"]
    assert blake2b("\n".join(lines).encode(), digest_size=16).hexdigest() == expected["blake2b"]


def edited(folder: Path, target: Path, **changes: Any) -> Path:
    """A copy of a folder with another configuration."""
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    (target / "config.json").write_text(json.dumps(config | changes))
    return target


def test_another_folder_is_refused_in_a_line(name: str, folder: Path, tmp_path: Path) -> None:
    other = {"sam": "large", "sam2": "huge"}[name]
    right = {"sam": "evf_sam2", "sam2": "evf_sam"}[name]
    with pytest.raises(InputError, match=rf"sam_scale is '{other}'.*system {right}$"):
        SYSTEM[name](edited(folder, tmp_path, sam_scale=other))
    with pytest.raises(InputError, match=r"model_type is 'clipseg'.*system clipseg"):
        SYSTEM[name](edited(folder, tmp_path, model_type="clipseg"))


def test_no_folder_names_the_files() -> None:
    with pytest.raises(InputError, match=r"YxZhang/evf-sam \(config\.json, pytorch_model\.bin, [^)]*2\.6 GB\)$"):
        evf_sam()


def test_missing_and_surplus_weights_are_listed(name: str, folder: Path, tmp_path: Path) -> None:
    target = edited(folder, tmp_path)
    for file in target.glob("*model.*"):
        if file.suffix in (".bin", ".safetensors"):
            file.unlink()
    state = tiny_state(KIND[name])
    del state["text_hidden_fcs.0.0.bias"]
    state["visual_model.surplus"] = torch.zeros(1)
    torch.save(state, target / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"1 missing: text_hidden_fcs\.0\.0\.bias" if name == "sam" else "missing"):
        SYSTEM[name](target)
    state["text_hidden_fcs.0.0.bias"] = torch.zeros(64)
    torch.save(state, target / "pytorch_model.bin")
    with pytest.raises(InputError, match="1 unknown: surplus"):
        SYSTEM[name](target)
