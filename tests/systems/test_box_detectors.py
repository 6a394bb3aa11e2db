from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from systems.noise import noise
from systems.tiny_detectors_and_trackers import DETECTORS
from torch import Tensor
from torchvision.ops import clip_boxes_to_image
from transformers import AutoProcessor

from refsam_zoo.errors import InputError
from refsam_zoo.model.text_encoders.base import warn_truncated
from refsam_zoo.systems.box_detectors import BoxDetector, FoundBoxes, open_detector

SENTENCES = ["the red square", "A green circle.", "the star"]


@pytest.fixture(scope="module", params=sorted(DETECTORS))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp(request.param)
    DETECTORS[request.param](made)
    return made


@pytest.fixture(scope="module")
def detector(folder: Path) -> BoxDetector:
    return open_detector(folder)


@torch.inference_mode()
def find(detector: BoxDetector, image: Tensor, sentences: list[str]) -> list[FoundBoxes]:
    return list(detector.find(image, [detector.encode(sentence) for sentence in sentences]))


@torch.inference_mode()
def package_boxes(detector: BoxDetector, folder: Path, image: Tensor, sentence: str) -> FoundBoxes:
    """What the package's own processor makes of one picture and one sentence."""
    processor = AutoProcessor.from_pretrained(folder)
    owl = detector.model.config.model_type == "owlv2"
    text = [[sentence]] if owl else f"{sentence.lower().rstrip('.')}."
    inputs = processor(images=image, text=text, return_tensors="pt")
    given = () if owl else (inputs["input_ids"],)
    found = processor.post_process_grounded_object_detection(
        detector.model(**inputs), *given, threshold=-1.0, target_sizes=[tuple(image.shape[1:])]
    )[0]
    scores, order = found["scores"].sort(descending=True, stable=True)
    return FoundBoxes(clip_boxes_to_image(found["boxes"][order], tuple(image.shape[1:])), scores)


@pytest.mark.parametrize("size", [(40, 60), (90, 50)], ids=["wide", "high"])
def test_boxes_are_the_packages_own(detector: BoxDetector, folder: Path, size: tuple[int, int]) -> None:
    for found, sentence in zip(find(detector, noise(0, *size), SENTENCES), SENTENCES, strict=True):
        expected = package_boxes(detector, folder, noise(0, *size), sentence)
        torch.testing.assert_close(found.scores, expected.scores, atol=1e-6, rtol=0)
        torch.testing.assert_close(found.boxes, expected.boxes, atol=1e-4, rtol=0)
        assert found.scores[0] > found.scores[-1]
        assert (found.boxes[:, 2:] - found.boxes[:, :2]).amax() > 4, "the tiny detector's boxes are nothing"


def test_sentences_find_different_boxes_and_each_what_it_finds_alone(detector: BoxDetector) -> None:
    together = find(detector, noise(1), SENTENCES)
    assert len({round(found.scores[0].item(), 5) for found in together}) == len(SENTENCES)
    for found, sentence in zip(together, SENTENCES, strict=True):
        [alone] = find(detector, noise(1), [sentence])
        assert torch.equal(found.boxes, alone.boxes)
        assert torch.equal(found.scores, alone.scores)


def test_a_frame_is_encoded_once_for_all_sentences_and_each_frame_anew(detector: BoxDetector) -> None:
    encoded: list[int] = []
    handle = detector.image_encoder.register_forward_hook(lambda *_: encoded.append(1))
    first, second = (find(detector, noise(number), SENTENCES) for number in (1, 2))
    handle.remove()
    assert len(encoded) == 2
    assert not torch.equal(first[0].scores, second[0].scores)


def test_a_long_sentence_is_cut_with_a_warning(detector: BoxDetector, caplog: pytest.LogCaptureFixture) -> None:
    warn_truncated.cache_clear()
    with caplog.at_level(logging.WARNING):
        find(detector, noise(1), ["the red square left of the green circle " * 4])
    [message] = [record.message for record in caplog.records]
    assert "tokens" in message
    assert "is cut to" in message


@pytest.mark.parametrize("sentence", ["...", " ?! "])
def test_a_sentence_without_words_is_refused(detector: BoxDetector, sentence: str) -> None:
    with pytest.raises(InputError, match="no word of the sentence"):
        detector.encode(sentence)


def test_words_that_the_vocabulary_lacks_are_refused(tmp_path: Path) -> None:
    DETECTORS["grounding-dino"](tmp_path)
    with pytest.raises(InputError, match="vocabulary has no word of the sentence 'zzz'"):
        open_detector(tmp_path).encode("zzz")


def test_what_published_files_have_more_and_less_does_no_harm(tmp_path: Path) -> None:
    DETECTORS["grounding-dino"](tmp_path)
    expected = find(open_detector(tmp_path), noise(0), SENTENCES)
    weights = load_file(tmp_path / "model.safetensors")
    swin = "model.backbone.conv_encoder.model"
    published = {name: weight for name, weight in weights.items() if not name.startswith(f"{swin}.swin.layernorm")}
    assert len(published) == len(weights) - 2
    position = "encoder.layers.0.blocks.0.attention.self.relative_position_index"
    published[f"{swin}.{position}"] = torch.zeros(16, 16, dtype=torch.long)
    save_file(published, tmp_path / "model.safetensors", {"format": "pt"})
    for found, other in zip(find(open_detector(tmp_path), noise(0), SENTENCES), expected, strict=True):
        assert torch.equal(found.scores, other.scores)
        assert torch.equal(found.boxes, other.boxes)
