"""The contract of every swappable part, and that of those between encoders and masks, every entry at a small size.

What encoders and tuners do, which work on other things, is held by the tests in their own folders.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
import yaml
from jsonargparse import ArgumentParser
from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.model.cross_modal import Language
from refsam_zoo.model.encoded_frames import EncodedFrames
from refsam_zoo.model.image_encoders import ImageEncoder
from refsam_zoo.model.mask_decoders import MASK_DECODERS, MaskDecoder
from refsam_zoo.model.mask_decoders.base import Decoded
from refsam_zoo.model.mask_decoders.sam import build_prompt_encoder
from refsam_zoo.model.prompts import DensePrompt, SparsePrompt
from refsam_zoo.model.text_encoders import TextEncoder
from refsam_zoo.model.trackers import Tracker
from refsam_zoo.model.trackers.base import Track
from refsam_zoo.model.tuners import Tuner
from refsam_zoo.recipes import recipe
from refsam_zoo.registry import ROLES
from refsam_zoo.types import ImageFeatures

WIDTH, HEIGHT, COLUMNS, LENGTHS = 64, 3, 4, (3, 5, 2)
SMALL = {
    "width": WIDTH,
    "mlp_width": 16,
    "heads": 2,
    "length": 2,
    "image_size": 64,
    "layers": 1,
    "backbone": "resnet18",
    "rank": 2,
}
"""Of whatever options an entry has, those that make it small; none is what it has by default."""
BASES: dict[str, type] = {
    "image_encoder": ImageEncoder,
    "text_encoder": TextEncoder,
    "tuner": Tuner,
    "sparse_prompt": SparsePrompt,
    "dense_prompt": DensePrompt,
    "mask_decoder": MaskDecoder,
    "tracker": Tracker,
}
PARTS = ("sparse_prompt", "dense_prompt", "mask_decoder", "tracker")

CHOOSING = ("candidate_tracks",)
"""Trackers that need no prompts."""
PRECISE = ("seen boxes", "track boxes", "track counts")
"""What is never in half precision."""

ROUNDED = {"sam2_memory": 2.0**-8}
"""What keeps its numbers in bfloat16 in any precision, and by how much two that were nearly equal may differ there."""

every_entry = pytest.mark.parametrize(("role", "name"), [(role, name) for role in BASES for name in ROLES[role]])
every_part = pytest.mark.parametrize(("role", "name"), [(role, name) for role in PARTS for name in ROLES[role]])


def small_options(cls: type) -> dict[str, Any]:
    return {option: value for option, value in SMALL.items() if option in inspect.signature(cls).parameters}


@every_entry
def test_an_entry_is_made_again_from_plain_values(role: str, name: str) -> None:
    """As a checkpoint and a configuration file have it, by the parser that reads both."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(BASES[role], role)
    cls = ROLES[role].get(name)
    with torch.device("meta"):  # large ones too
        made = recipe(cls(**small_options(cls)))
        written = parser.parse_object({role: yaml.safe_load(yaml.safe_dump(made))})
        again = parser.instantiate(written)[role]
    assert type(again) is cls
    assert recipe(again) == made
    assert small_options(cls).items() <= made["init_args"].items()


@every_entry
def test_an_option_that_an_entry_does_not_have_is_refused(role: str, name: str) -> None:
    registry = ROLES[role]
    with pytest.raises(TypeError, match=r"unheard_of|takes no arguments"):
        registry.build(name, **small_options(registry.get(name)), unheard_of=1)


@pytest.mark.parametrize("role", BASES)
def test_every_class_with_the_name_of_an_entry_is_one(role: str) -> None:
    def below(cls: type) -> list[type]:
        return [cls, *(found for child in cls.__subclasses__() for found in below(child))]

    package = BASES[role].__module__.rpartition(".")[0]
    names = {cls.__name__ for cls in below(BASES[role]) if cls.__module__.startswith(f"{package}.")}
    assert {name for name in names if name == name.lower()} == set(ROLES[role])


def connected(part: nn.Module) -> nn.Module:
    """Does what `RefSAM` does with a part."""
    part.take_width(WIDTH)
    if isinstance(part, DensePrompt):
        part.connect((6, 10))
    if isinstance(part, MaskDecoder):
        part.connect((WIDTH, WIDTH))
        part.freeze_unused()
    if isinstance(part, Tracker):
        part.connect((HEIGHT, COLUMNS))
    return part.eval()


def build(role: str, name: str, seed: int = 0) -> nn.Module:
    """Makes an entry whose parameters are all away from where they start: a zero hides what comes after it."""
    registry = ROLES[role]
    torch.manual_seed(seed + (name in CHOOSING))  # by the first seed such a one finds nothing
    part = connected(registry.build(name, **small_options(registry.get(name))))
    with torch.no_grad():
        for parameter in part.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        if name in CHOOSING:
            part.finder.heat.weight.mul_(30.0)  # several objects are found
            part.finder.heat.bias.fill_(3.0)
    return part


def given() -> dict[str, Tensor]:
    """What parts are given: of three sentences, each about a frame of its own, what encoders and decoder made."""
    random = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(len(LENGTHS), *shape, generator=random)

    return {
        "image": F.normalize(draw(WIDTH, HEIGHT, COLUMNS), dim=1),
        "next image": F.normalize(draw(WIDTH, HEIGHT, COLUMNS), dim=1),
        "finer map": draw(2 * HEIGHT, 2 * COLUMNS, 6),
        "coarser map": draw(HEIGHT, COLUMNS, 10),
        "words": F.normalize(draw(max(LENGTHS), WIDTH), dim=-1),
        "sentence": F.normalize(draw(WIDTH), dim=-1),
        "mask": torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None],
        "mask token": draw(1, WIDTH),
        "logits": draw(4 * HEIGHT, 4 * COLUMNS),
        "object score": draw() * torch.tensor([1.0, -1.0, 1.0]),
        "finest decoder map": draw(WIDTH, 4 * HEIGHT, 4 * COLUMNS),
        "finer decoder map": draw(WIDTH, 2 * HEIGHT, 2 * COLUMNS),
        "dense": draw(WIDTH, HEIGHT, COLUMNS),
        "places": draw(WIDTH, HEIGHT, COLUMNS)[:1].expand(len(LENGTHS), -1, -1, -1),
    }


def changed(parts: dict[str, Tensor], change: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    """All but the mask changed, for instance to another precision."""
    return {name: part if name == "mask" else change(part) for name, part in parts.items()}


def run(part: nn.Module, parts: dict[str, Tensor]) -> dict[str, Tensor]:
    """What the model reads of a part; the first axis is that of the sentences, and nothing is left of masked words."""
    image, language = parts["image"], Language(parts["words"], parts["sentence"], parts["mask"])
    if isinstance(part, SparsePrompt):
        return {"tokens": part(image, language) * language.mask.unsqueeze(-1)}
    if isinstance(part, DensePrompt):
        maps = part.maps(ImageFeatures(image, [parts["finer map"], parts["coarser map"]]))
        dense = part(image, maps, language)
        return {} if dense is None else {"dense": dense}
    if isinstance(part, MaskDecoder):
        positions = part.position_terms(parts["places"][:1])
        fine = part.fine_maps([parts["finest decoder map"], parts["finer decoder map"]])
        decoded = part(image, positions, parts["dense"], language.words, language.mask, fine)._asdict()
        return {what: found for what, found in decoded.items() if isinstance(found, Tensor)}
    assert isinstance(part, Tracker)
    frames, others = (seen_by(part, parts[what]) for what in ("image", "next image"))
    if frames.seen is not None:
        return chosen_by(part, frames, others, language)
    decoded = Decoded(parts["logits"], parts["object score"], parts["mask token"], parts["object score"])
    found = {"first embedding": part.condition(frames, None)}
    track = part.remember(decoded, None, frames)
    if track is None:
        assert part.remember(decoded, None, others) is None
        return found
    dense = part.dense(others.image, track, language)
    second = part.remember(decoded, track, others)
    found |= {"second embedding": part.condition(others, track), "prompt": part.prompt(second)}
    found |= carried("first", track) | carried("second", second)
    return found if dense is None else found | {"dense": dense}


def seen_by(part: Tracker, image: Tensor) -> EncodedFrames:
    """Frames that a tracker has looked at with a decoder, which is always the same."""
    with torch.random.fork_rng(), torch.device("cpu"):
        torch.manual_seed(1)
        decoder = MASK_DECODERS.build("sam_decoder", width=WIDTH, mlp_width=16).requires_grad_(False)
        prompt_encoder = build_prompt_encoder(16 * COLUMNS, COLUMNS, WIDTH)
        prompt_encoder.image_embedding_size = (HEIGHT, COLUMNS)
    decoder, prompt_encoder = decoder.to(image), prompt_encoder.to(image)
    frames = EncodedFrames(image, [], decoder.position_terms(prompt_encoder.get_dense_pe()))
    frames.seen = part.look(frames, decoder, prompt_encoder)
    return frames


def chosen_by(part: Tracker, frames: EncodedFrames, others: EncodedFrames, language: Language) -> dict[str, Tensor]:
    """What a tracker that needs no prompts finds in two frames."""
    first = part.choose(frames, language, None)
    assert first is not None
    second = part.choose(others, language, first.track)
    assert second is not None
    found = carried("seen", others.seen) | carried("track", second.track) | carried("choice", second.choice)
    return found | {"logits": second.low_res_logits, "score": second.object_score, "first": first.low_res_logits}


def carried(when: str, track: Track) -> dict[str, Tensor]:
    """The tensors that a tracker carries, by name."""
    return {when: track} if isinstance(track, Tensor) else {f"{when} {k}": v for k, v in track._asdict().items()}


@every_part
def test_shapes_are_those_of_the_role(role: str, name: str) -> None:
    found = {what: tuple(tensor.shape) for what, tensor in run(build(role, name), given()).items()}
    count = len(LENGTHS)
    image = (count, WIDTH, HEIGHT, COLUMNS)
    if role == "sparse_prompt":
        assert found == {"tokens": (count, max(LENGTHS), WIDTH)}
    elif role == "dense_prompt":
        assert found in ({}, {"dense": image})
    elif role == "mask_decoder":
        logits = (count, 4 * HEIGHT, 4 * COLUMNS)
        assert found.pop("object_score", (count,)) == (count,)
        assert found == {"low_res_logits": logits, "iou": (count,), "mask_token": (count, 1, WIDTH)}
    elif name in CHOOSING:
        assert found["logits"] == found["first"] == (count, 4 * HEIGHT, 4 * COLUMNS)
        assert {shape[0] for shape in found.values()} == {count}
    else:
        assert {found.pop(what, image) for what in ("dense", "first embedding", "second embedding")} == {image}
        assert found.pop("prompt", (count, 1, WIDTH))[::2] == (count, WIDTH)
        assert {shape[0] for shape in found.values()} <= {count}


@every_part
def test_what_is_given_is_left_as_it_was(role: str, name: str) -> None:
    part, parts = build(role, name), given()
    before = copy.deepcopy(parts)
    with torch.no_grad():
        run(part, parts)
    assert all(parts[what].equal(before[what]) for what in parts)


@every_part
def test_everything_trained_has_a_gradient(role: str, name: str) -> None:
    part = build(role, name).train()
    trained = {path: parameter for path, parameter in part.named_parameters() if parameter.requires_grad}
    if trained:
        found = [tensor for tensor in run(part, given()).values() if tensor.is_floating_point()]
        sum(tensor.square().sum() for tensor in found).backward()
    assert [path for path, parameter in trained.items() if parameter.grad is None or not parameter.grad.any()] == []
    assert all(parameter.grad is None for parameter in part.parameters() if not parameter.requires_grad)


@every_part
@torch.no_grad()
def test_neither_order_nor_padding_changes_anything(role: str, name: str) -> None:
    part, parts, error = build(role, name), given(), max(1e-5, ROUNDED.get(name, 0.0))
    together = run(part, parts)
    order = [2, 0, 1]
    padding = ~parts["mask"].unsqueeze(-1)
    other = {what: tensor[order] for what, tensor in (parts | {"words": parts["words"] + padding}).items()}
    for what, found in run(part, other).items():
        torch.testing.assert_close(found, together[what][order], atol=error, rtol=error)
    for row, length in enumerate(LENGTHS):
        alone = {what: tensor[row : row + 1] for what, tensor in parts.items()}
        alone |= {what: alone[what][:, :length] for what in ("words", "mask")}
        for what, found in run(part, alone).items():
            expected = together[what][row : row + 1]
            expected = expected[:, :length] if role == "sparse_prompt" else expected
            torch.testing.assert_close(found, expected, atol=error, rtol=error)


@every_part
@torch.no_grad()
@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-5), (torch.bfloat16, 0.05)], ids=str)
def test_a_part_computes_in_the_precision_of_its_weights(
    role: str, name: str, dtype: torch.dtype, error: float
) -> None:
    part, parts = build(role, name), given()
    expected = run(part, parts)
    found = run(part.to(dtype), changed(parts, lambda tensor: tensor.to(dtype)))
    error = max(error, ROUNDED.get(name, 0.0))
    for what, tensor in found.items():
        kept = torch.promote_types(dtype, torch.float32) if what in PRECISE else dtype
        assert tensor.dtype == kept or not tensor.is_floating_point()
        scale = max(float(other.float().abs().max()) for other in expected.values() if other.numel())
        torch.testing.assert_close(tensor.float(), expected[what].float(), atol=error * scale, rtol=0)


@every_part
@torch.no_grad()
def test_weights_survive_saving(role: str, name: str) -> None:
    first, second, parts = build(role, name), build(role, name, seed=1), given()
    expected = run(first, parts)
    if first.state_dict():
        assert not all(tensor.equal(expected[what]) for what, tensor in run(second, parts).items())
    second.load_state_dict(first.state_dict())
    for other in (second, copy.deepcopy(first)):
        assert all(tensor.equal(expected[what]) for what, tensor in run(other, parts).items())


@every_part
def test_a_part_without_a_width_follows_the_image_encoder_on_any_device(role: str, name: str) -> None:
    """The device that holds no numbers shows what would have been made elsewhere."""
    part = build(role, name)
    options = {option: value for option, value in small_options(type(part)).items() if option != "width"}
    with torch.device("meta"):
        follower = connected(ROLES[role].build(name, **options))
    found = run(follower, {what: tensor.to("meta") for what, tensor in given().items()})
    for ours, theirs in ((follower.state_dict(), part.state_dict()), (found, run(part, given()))):
        assert all(tensor.is_meta for tensor in ours.values())
        assert {what: tensor.shape for what, tensor in ours.items()} == {
            what: tensor.shape for what, tensor in theirs.items()
        }
