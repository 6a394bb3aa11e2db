from pathlib import Path

import pytest

import refsam_zoo
from refsam_zoo import zoo
from refsam_zoo.errors import InputError
from refsam_zoo.model.image_encoders import IMAGE_ENCODERS


def test_models_are_listed_by_pattern() -> None:
    assert refsam_zoo.list_models() == [f"refsam_{name}" for name in IMAGE_ENCODERS if name != "timm"]
    assert refsam_zoo.list_models("*vit_b") == ["refsam_vit_b"]


def test_info_counts_parameters_without_memory() -> None:
    info = refsam_zoo.model_info("refsam_vit_b")
    assert (info.parameters, info.image_size) == (89_670_912, 1024)


def test_a_class_by_import_path_needs_no_registration() -> None:
    path = "refsam_zoo.model.trackers.no_tracker.no_tracker"
    model = refsam_zoo.create_model("refsam_vit_tiny", text_encoder="clip_tiny", tracker=path)
    assert type(model.tracker).__name__ == "no_tracker"


def test_a_timm_backbone_goes_by_its_name_there() -> None:
    model = refsam_zoo.create_model("refsam_timm/resnet18", text_encoder="clip_tiny", tuner="frozen")
    assert model.image_encoder.intermediate_widths == (64, 128, 256)
    with pytest.raises(InputError, match="unknown timm backbone 'resnet1'"):
        refsam_zoo.create_model("refsam_timm/resnet1")


def test_unknown_names_are_explained() -> None:
    with pytest.raises(InputError, match="did you mean 'refsam_vit_b'"):
        refsam_zoo.create_model("refsam_vitb")
    with pytest.raises(InputError, match="unknown tuner 'lroa'; did you mean 'lora'"):
        refsam_zoo.create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="lroa")
    with pytest.raises(InputError, match=r"cannot import the tuner 'nowhere\.Tuner'"):
        refsam_zoo.create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="nowhere.Tuner")


def test_every_entry_has_a_card_with_its_first_line() -> None:
    for registry in zoo._REGISTRIES:
        for name in registry:
            assert registry.card(name).family
            assert (registry.get(name).__doc__ or "").strip().split("\n")[0].endswith((".", "?"))


def test_the_documentation_has_every_card() -> None:
    """An entry that somebody adds for themselves need not be documented to pass; each that ships is."""
    root = Path(__file__).parents[1]
    document = (root / "docs" / "zoo.md").read_text(encoding="utf-8")
    listed = {
        line.split(" | ")[1] for line in (root / "README.md").read_text(encoding="utf-8").splitlines() if " | " in line
    }
    known = {f"### {name} ({registry.role})" for registry in zoo._REGISTRIES for name in registry}
    shipped = {title for title in known if title.split()[1] in listed}
    assert {line for line in document.splitlines() if line.startswith("### ")} == shipped
    assert len(shipped) > 50
