import pytest

from refsam_zoo.errors import InputError
from refsam_zoo.registry import ModelCard, Registry


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
