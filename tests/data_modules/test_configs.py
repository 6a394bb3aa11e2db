from __future__ import annotations

from pathlib import Path

import pytest
from jsonargparse import ArgumentParser
from lightning.pytorch import LightningDataModule

import refsam_zoo.data_modules

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "data").glob("*.yaml"))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_data_config_makes_its_data_module(config: Path) -> None:
    parser = ArgumentParser()
    parser.add_subclass_arguments(LightningDataModule, "data")
    parser.add_argument("--config", action="config")
    options = parser.parse_args([f"--config={config}", "--data.init_args.workers=0"])
    data = parser.instantiate(options).data
    assert isinstance(data, refsam_zoo.data_modules.ReferringDataModule | refsam_zoo.data_modules.Mixture)
    assert data.workers == 0


def test_every_data_set_has_a_config() -> None:
    named = {line.split()[-1] for config in CONFIGS for line in config.read_text().splitlines() if "class_path" in line}
    modules = {
        name
        for name in refsam_zoo.data_modules.__all__
        if issubclass(getattr(refsam_zoo.data_modules, name), refsam_zoo.data_modules.ReferringDataModule)
    }
    assert named >= modules - {"ReferringDataModule"}
