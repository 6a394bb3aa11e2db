from pathlib import Path

import pytest
from systems.tiny_folders import tiny_clipseg

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


def test_systems_are_made_by_name(tmp_path: Path) -> None:
    weights = tiny_clipseg(tmp_path)
    system = refsam_zoo.create_system("clipseg", device="cpu", weights=weights)
    assert type(system) is refsam_zoo.SYSTEMS.get("clipseg")
    path = "refsam_zoo.systems.clipseg.clipseg"
    assert refsam_zoo.create_system(path, weights=weights, threshold=0.25).threshold == 0.25
    with pytest.raises(InputError, match=r"unknown system 'clip_seg'; did you mean 'clipseg'\?"):
        refsam_zoo.create_system("clip_seg")
    with pytest.raises(InputError, match=r"cannot import the system 'nowhere\.System'"):
        refsam_zoo.create_system("nowhere.System")
    with pytest.raises(InputError, match="--device toaster"):
        refsam_zoo.create_system("clipseg", device="toaster")
    with pytest.raises(InputError, match="no weights given"):
        refsam_zoo.create_system("clipseg", device="cpu")
    with pytest.raises(TypeError, match="weihgts"):
        refsam_zoo.create_system("clipseg", weihgts=weights)


def test_a_system_is_compiled_where_asked_for(tmp_path: Path) -> None:
    compiled = refsam_zoo.create_system("clipseg", device="cpu", compile=True, weights=tiny_clipseg(tmp_path))
    assert [part._compiled_call_impl is not None for part in compiled.compiled_parts] == [True]
    plain = refsam_zoo.create_system("clipseg", device="cpu", weights=tmp_path)
    assert [part._compiled_call_impl for part in plain.compiled_parts] == [None]


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
