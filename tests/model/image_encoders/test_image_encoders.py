"""The contract of an image encoder, for every entry of the registry at a small size."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
import torch

from refsam_zoo.model.image_encoders import IMAGE_ENCODERS, ImageEncoder
from refsam_zoo.model.image_encoders.sam import SamImageEncoder
from refsam_zoo.model.image_encoders.sam2 import Sam2ImageEncoder
from refsam_zoo.model.tuners import TUNERS
from refsam_zoo.zoo import create_model

SIZE = 64
ROOT = Path(__file__).parents[3]


def build(name: str) -> ImageEncoder:
    """Builds an entry for a small input; large ones keep their blocks, heads and windows, on few channels."""
    cls = IMAGE_ENCODERS.get(name)
    options = {"image_size": SIZE}
    if issubclass(cls, SamImageEncoder):
        cls = type(name, (cls,), {"width": 4 * cls.heads})
    if issubclass(cls, Sam2ImageEncoder):
        cls = type(name, (cls,), {"channels": 16})
    if "backbone" in inspect.signature(cls).parameters:
        options["backbone"] = "resnet18"
    torch.manual_seed(0)
    return cls(**options)


@pytest.mark.parametrize("name", list(IMAGE_ENCODERS))
class TestContract:
    def test_shapes(self, name: str) -> None:
        encoder = build(name)
        features = encoder(torch.randn(2, 3, SIZE, SIZE))
        grid = SIZE // encoder.stride
        assert features.final.shape == (2, encoder.embedding_width, grid, grid)
        assert [part.shape[-1] for part in features.intermediate] == list(encoder.intermediate_widths)
        assert [part.shape[1] for part in features.fine] == list(encoder.fine_widths)
        assert all(part.shape[-1] > grid for part in features.fine)

    def test_frames_do_not_mix(self, name: str) -> None:
        encoder = build(name).eval()
        images = torch.randn(2, 3, SIZE, SIZE)
        torch.testing.assert_close(encoder(images).final[1:], encoder(images[1:]).final, atol=1e-4, rtol=1e-4)

    def test_weights_survive_saving(self, name: str) -> None:
        first, second = build(name), build(name)
        with torch.no_grad():
            for parameter in first.parameters():
                parameter.add_(0.01)
        second.load_state_dict(first.state_dict())
        images = torch.randn(1, 3, SIZE, SIZE)
        torch.testing.assert_close(first.eval()(images).final, second.eval()(images).final)

    def test_everything_trained_has_a_gradient(self, name: str) -> None:
        encoder = TUNERS.build("full").apply(build(name)).train()
        features = encoder(torch.randn(2, 3, SIZE, SIZE))
        sum(part.square().mean() for part in (features.final, *features.intermediate, *features.fine)).backward()
        assert [path for path, parameter in encoder.named_parameters() if parameter.grad is None] == []

    @torch.no_grad()
    @pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-4), (torch.bfloat16, 0.1)], ids=str)
    def test_an_encoder_computes_in_the_precision_of_its_weights(
        self, name: str, dtype: torch.dtype, error: float
    ) -> None:
        encoder, images = build(name).eval(), torch.randn(2, 3, SIZE, SIZE)
        expected, found = encoder(images), encoder.to(dtype)(images.to(dtype))
        pairs = zip([found.final, *found.intermediate], [expected.final, *expected.intermediate], strict=True)
        for ours, theirs in pairs:
            assert ours.dtype == dtype
            torch.testing.assert_close(ours.float(), theirs, atol=error * float(theirs.abs().max()), rtol=0)


def documented(where: str) -> str:
    """The file that a document tells people to write."""
    text = (ROOT / where).read_text(encoding="utf-8")
    if where.endswith(".md"):
        (code,) = (code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "ImageEncoder)" in code)
        return code
    (register,) = re.findall(r"\n\n((?:    .*\n|\n)*    @IMAGE_ENCODERS.*\n)", text)
    register = inspect.cleandoc(register)
    return text.replace("class ConvolutionalEncoder", f"{register}\nclass convolutional_encoder")


@pytest.mark.parametrize("where", ["README.md", "CONTRIBUTING.md", "examples/convolutional_encoder.py"])
def test_what_the_documents_show_keeps_the_contract(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IMAGE_ENCODERS, "_entries", dict(IMAGE_ENCODERS._entries))
    before = set(IMAGE_ENCODERS)
    exec(compile(documented(where), where, "exec"), {"__name__": "written_by_a_reader"})
    (name,) = set(IMAGE_ENCODERS) - before
    contract = TestContract()
    for check in (contract.test_shapes, contract.test_frames_do_not_mix, contract.test_weights_survive_saving):
        check(name)
    model = create_model(f"refsam_{name}", text_encoder="clip_tiny", tuner="full")
    assert model.mask_decoder.width == model.image_encoder.embedding_width
