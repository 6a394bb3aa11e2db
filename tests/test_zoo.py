import pytest

import refsam_zoo
from refsam_zoo.errors import InputError
from refsam_zoo.model.image_encoders import IMAGE_ENCODERS
from refsam_zoo.zoo import print_zoo


def test_models_are_listed_by_pattern() -> None:
    assert refsam_zoo.list_models() == [f"refsam_{name}" for name in IMAGE_ENCODERS]
    assert refsam_zoo.list_models("*vit_b") == ["refsam_vit_b"]


def test_info_counts_parameters_without_memory() -> None:
    info = refsam_zoo.model_info("refsam_vit_b")
    assert (info.parameters, info.image_size) == (89_670_912, 1024)


def test_a_class_by_import_path_needs_no_registration() -> None:
    path = "refsam_zoo.model.tracking.no_tracker"
    model = refsam_zoo.create_model("refsam_vit_tiny", text_encoder="clip_tiny", tracker=path)
    assert type(model.tracker).__name__ == "no_tracker"


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
