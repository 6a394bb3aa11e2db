import pytest
import torch

import refsam_zoo
from refsam_zoo.errors import InputError
from refsam_zoo.model.image_encoders import IMAGE_ENCODERS
from refsam_zoo.zoo import print_zoo


def test_models_are_listed_by_pattern() -> None:
    assert refsam_zoo.list_models() == [f"refsam_{name}" for name in IMAGE_ENCODERS if name != "timm"]
    assert refsam_zoo.list_models("*vit_b") == ["refsam_vit_b"]


def test_info_counts_parameters_without_memory() -> None:
    info = refsam_zoo.model_info("refsam_vit_b")
    assert (info.parameters, info.image_size) == (89_670_912, 1024)


def test_a_class_by_import_path_needs_no_registration() -> None:
    path = "refsam_zoo.model.tracking.no_tracker"
    model = refsam_zoo.create_model("refsam_vit_tiny", text_encoder="clip_tiny", tracker=path)
    assert type(model.tracker).__name__ == "no_tracker"


def test_a_timm_backbone_goes_by_its_name_there() -> None:
    model = refsam_zoo.create_model("refsam_timm/resnet18", text_encoder="clip_tiny", tuner="frozen")
    assert model.image_encoder.intermediate_widths == (64, 128, 256)
    with pytest.raises(InputError, match="unknown timm backbone 'resnet1'"):
        refsam_zoo.create_model("refsam_timm/resnet1")


@pytest.mark.parametrize(
    ("name", "learnable", "sam"),
    [
        ("vit_b", 9_905_636, 93_735_472),
        ("vit_l", 19_165_412, 312_342_832),
        ("vit_h", 33_013_988, 641_090_608),
    ],
)
def test_parameters_are_as_many_as_in_the_paper(name: str, learnable: int, sam: int) -> None:
    """9.9, 19.1 and 33.0 M learnable, 4.8 M in version 1; SAM's totals. The paper counts the whole mask decoder."""
    with torch.device("meta"):
        model = refsam_zoo.create_model(f"refsam_{name}", text_encoder="roberta_large", tuner="adapter")
        first = refsam_zoo.create_model(
            f"refsam_{name}",
            text_encoder="roberta_large",
            tuner="frozen",
            dense_prompt="dense_attention",
            tracker="no_tracker",
        )
    for composed, count in ((model, learnable), (first, 4_845_796)):
        composed.mask_decoder.requires_grad_(True)
        assert sum(parameter.numel() for parameter in composed.parameters() if parameter.requires_grad) == count
    parts = (model.image_encoder, model.prompt_encoder, model.mask_decoder)
    pretrained = {n: p for part in parts for n, p in part.named_parameters(prefix=type(part).__name__)}
    assert sum(p.numel() for n, p in pretrained.items() if ".adapter." not in n) == sam


def test_unknown_names_are_explained() -> None:
    with pytest.raises(InputError, match="did you mean 'refsam_vit_b'"):
        refsam_zoo.create_model("refsam_vitb")
    with pytest.raises(InputError, match="unknown tuner 'lroa'; did you mean 'lora'"):
        refsam_zoo.create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="lroa")
    with pytest.raises(InputError, match=r"cannot import the tuner 'nowhere\.Tuner'"):
        refsam_zoo.create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="nowhere.Tuner")


def test_the_table_is_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    print_zoo("vit_tiny", form="markdown")
    header, rule, row = capsys.readouterr().out.strip().split("\n")
    assert header.count("|") == rule.count("|") == row.count("|") == 9
    assert "vit_tiny" in row
