from typing import get_type_hints

import pytest

from refsam_zoo.errors import InputError
from refsam_zoo.model.composition import compose
from refsam_zoo.registry import ROLES, ModelCard, Registry


def test_unknown_name_suggests_the_nearest() -> None:
    registry: Registry[object] = Registry("image encoder")

    @registry.register(ModelCard("A"))
    class vit_b: ...

    with pytest.raises(InputError, match=r"unknown image encoder 'vitb'; did you mean 'vit_b'\? \(valid: vit_b\)"):
        registry.get("vitb")


def test_a_name_is_taken_once_and_is_lower_case() -> None:
    registry: Registry[object] = Registry("tuner")
    first = type("lora", (), {})
    registry.register(ModelCard("A"))(first)
    with pytest.raises(ValueError, match="registered already"):
        registry.register(ModelCard("A"))(type("lora", (), {}))
    with pytest.raises(ValueError, match="lower case"):
        registry.register(ModelCard("A"))(type("LoRA", (), {}))
    assert registry.get("lora") is first


def test_errors_of_a_constructor_come_through() -> None:
    registry: Registry[object] = Registry("tuner")

    def fail(self: object) -> None:
        raise KeyError("inside")

    registry.register(ModelCard("A"))(type("broken", (), {"__init__": fail}))
    with pytest.raises(KeyError, match="inside"):
        registry.build("broken")


def test_the_options_of_a_model_take_the_names_of_the_right_registry() -> None:
    hints = get_type_hints(compose)
    parts = hints.keys() - {"cross_modal", "decoder_checkpoint", "weights", "return"}
    assert parts <= ROLES.keys()
    for part in parts:
        assert {issubclass(ROLES[part].get(name), hints[part]) for name in ROLES[part]} == {True}
