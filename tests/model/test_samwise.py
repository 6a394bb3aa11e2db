"""SAMWISE against numbers of its authors' code, stage by stage and over a video, and its published names."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
import torch
from systems.tiny_samwise import SENTENCES, SIDE, SIZE, SmallHiera, ids, pixels, shapes, tiny_state
from torch import Tensor

from refsam_zoo.model import samwise_adapter, samwise_memory
from refsam_zoo.model.image_encoders.sam2 import sam2_hiera_base_plus
from refsam_zoo.model.samwise import Samwise, SamwiseSize, Step, Window, fitted
from refsam_zoo.model.samwise_adapter import CrossModalTemporalAdapter
from refsam_zoo.weights.files import check_fit, weights_follow
from refsam_zoo.weights.samwise import of_samwise

RECORD = json.loads((Path(__file__).parents[1] / "data" / "samwise.json").read_text())


def tiny(size: SamwiseSize = SIZE) -> Samwise:
    with weights_follow():
        model = Samwise(SmallHiera(image_size=SIDE), size)
    state = of_samwise(tiny_state(size))
    check_fit(model.state_dict(), state, "the tiny file")
    model.load_state_dict(state)
    return model.eval()


@pytest.fixture(scope="module")
def model() -> Samwise:
    return tiny()


def probe(tensor: Tensor) -> list[float]:
    """What the record keeps of a tensor: four of its numbers and their spread."""
    numbers = tensor.detach().float().flatten()
    places = torch.linspace(0, len(numbers) - 1, 6).long()[1:5]
    return [*numbers[places].tolist(), numbers.std().item()]


def assert_near(found: object, expected: object) -> None:
    torch.testing.assert_close(torch.tensor(found), torch.tensor(expected), atol=1e-4, rtol=0)


@torch.inference_mode()
def steps(model: Samwise, video: Tensor, sentence: str, window: int = 8) -> Iterator[tuple[Window, Step]]:
    """Segments a video, float `[T, 3, S, S]`, for one sentence."""
    memory, switched = None, torch.zeros(1, dtype=torch.long)
    for part in video.split(window):
        (seen,) = model.encode(part, [ids(sentence)])
        for index in range(len(part)):
            frames = seen.frame(index, model.positions())
            step = model.segment(frames, seen.prompt, memory, switched)
            memory, switched = step.memory, step.switched
            yield seen, step


def masks(model: Samwise, video: Tensor, sentence: str, window: int = 8) -> list[list[float]]:
    """What the record keeps of the logits of every frame."""
    found = [samwise_memory.enlarged(step.decoded.logits, SIDE) for _, step in steps(model, video, sentence, window)]
    return [probe(logits[:, :72]) for logits in found]


def switching(model: Samwise) -> Samwise:
    changed = tiny(model.size)
    changed.conditional_memory_encoder.decision_class_head.bias.data[1] += 9
    return changed


@pytest.mark.parametrize("row", [0, 1])
@pytest.mark.parametrize("kind", ["as decided", "switching"])
def test_a_video_has_the_numbers_of_the_published_code(model: Samwise, kind: str, row: int) -> None:
    judged = switching(model) if kind == "switching" else model
    assert_near(masks(judged, pixels(), SENTENCES[row]), RECORD["videos"][kind][row])


def test_the_model_for_pictures_has_them() -> None:
    model = tiny(SIZE.on_pictures())
    found = [masks(model, frame[None], SENTENCES[0])[0] for frame in pixels()[:6]]
    assert_near(found, RECORD["pictures"])


@pytest.mark.parametrize("frames", [slice(0, 8), slice(16, 19)], ids=["8", "3"])
def test_every_stage_has_them(model: Samwise, frames: slice, request: pytest.FixtureRequest) -> None:
    video = pixels()[frames]
    found, handles = {}, []

    def keep(name: str, module: torch.nn.Module, inputs: bool = False) -> None:
        def hook(_: object, given: tuple[Tensor, ...], made: Tensor) -> None:
            found[name] = given[0] if inputs else made

        handles.append(module.register_forward_hook(hook))

    blocks = model.image_encoder.vision.backbone.blocks
    for number, last in enumerate((0, 2, 4, 5), 1):
        keep("stage 1" if number == 1 else f"stage {number} before words", blocks[last])
    for number, adapter in enumerate(model.cmt_adapters, 1):
        keep(f"adapter {number}", adapter)
    *_, (seen, step) = steps(model, video, SENTENCES[0])
    for handle in handles:
        handle.remove()
    for number in (1, 2, 3):
        found[f"adapter {number} for frames"], found[f"adapter {number} for words"] = found.pop(f"adapter {number}")
    found |= {"finest map": seen.fine[0], "finer map": seen.fine[1], "embedding": seen.embedding}
    found["remembered map, last frame"] = step.memory.maps[:, -1].transpose(1, 2)
    found["decoder low_res_masks"], found["decoder early_obj_ptr"] = step.decoded.logits, step.decoded.early
    found["decoder obj_ptr"] = step.memory.pointers[:, -1]
    expected = RECORD["windows"][str(len(video))]
    for name, tensor in found.items():
        assert_near(probe(tensor), expected[name])
    assert step.decoded.object_score is not None
    assert_near(step.decoded.object_score.tolist(), expected["decoder object_score_logits"])


@pytest.fixture(params=["residual", "window", "pointers", "clip mean"])
def fault(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """One thing done as another paper would have it."""
    name: str = request.param
    if name == "residual":
        forward = CrossModalTemporalAdapter.forward

        def added(self: CrossModalTemporalAdapter, *given: Any) -> object:
            shown, said = forward(self, *given)
            return shown, said + given[1]

        monkeypatch.setattr(CrossModalTemporalAdapter, "forward", added)
    if name == "window":
        times = samwise_adapter.times
        monkeypatch.setattr(samwise_adapter, "times", lambda steps, *given: times(8, *given)[:steps])
    if name == "pointers":
        monkeypatch.setattr(samwise_memory, "POINTERS", 17)
    if name == "clip mean":
        project = CrossModalTemporalAdapter.project

        def late(self: CrossModalTemporalAdapter, *given: Any) -> samwise_adapter.Projected:
            projected = project(self, *given)
            return projected._replace(plain=projected.moved)

        monkeypatch.setattr(CrossModalTemporalAdapter, "project", late)
    return name


def test_what_differs_is_noticed(model: Samwise, fault: str) -> None:
    found = torch.tensor(masks(model, pixels()[:19], SENTENCES[0]))
    assert (found - torch.tensor(RECORD["videos"]["as decided"][0][:19])).abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["videos", "pictures"])
def test_the_published_file_has_just_our_names_and_shapes(kind: str) -> None:
    size = SamwiseSize() if kind == "videos" else SamwiseSize().on_pictures()
    with torch.device("meta"), weights_follow():
        model = Samwise(sam2_hiera_base_plus(), size)
    found = shapes(model)
    lines = sorted(f"{name} {list(shape)}" for name, shape in found.items())
    expected = RECORD["names"][kind]
    assert len(lines) == expected["tensors"]
    assert sum(map(math.prod, found.values())) == expected["numbers"]
    assert blake2b("\n".join(lines).encode(), digest_size=16).hexdigest() == expected["blake2b"]
    state = of_samwise({name: torch.empty(shape, device="meta") for name, shape in found.items()})
    check_fit(model.state_dict(), state, "the published file")
    if kind == "videos":
        trained = [*model.cmt_adapters.parameters(), *model.project_text.parameters()]
        assert sum(part.numel() for part in trained) == 4_904_512


@pytest.mark.parametrize(
    ("size", "expected"),
    [((480, 854), (575, 1024)), ((854, 480), (1024, 575)), ((500, 500), (1020, 1020)), ((720, 1280), (576, 1024))],
)
def test_frames_are_resized_as_there(size: tuple[int, int], expected: tuple[int, int]) -> None:
    from torchvision.transforms.functional import resize

    assert fitted(size, 1024) == expected
    like = resize(torch.zeros(1, *size), 1020, max_size=1024, antialias=False)  # type: ignore[arg-type]
    assert like.shape[1:] == expected


@torch.inference_mode()
def test_sentences_read_together_see_no_padding(model: Samwise) -> None:
    looked = model.look(pixels()[:6], 3)
    index = torch.tensor([0, 1, 1])
    said = [ids(SENTENCES[0]), ids(SENTENCES[1]), ids(SENTENCES[0])]
    together = model.read(looked, said, index)
    for row, sentence in enumerate(said):
        alone = model.read(looked, [sentence], index[row : row + 1])
        for whole, part in zip((together.embedding, together.prompt), (alone.embedding, alone.prompt), strict=True):
            torch.testing.assert_close(whole[row], part[0], atol=1e-4, rtol=0)
