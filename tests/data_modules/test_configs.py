from __future__ import annotations

import re
from pathlib import Path

import pytest
from jsonargparse import ArgumentParser
from lightning.pytorch import LightningDataModule

from refsam_zoo.data_modules import Mixture, ReferringDataModule
from refsam_zoo.data_modules.recognition import DATA_SETS
from refsam_zoo.options.parser import ConfigFile

PAGES = Path(__file__).parents[2] / "docs" / "data"
CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "data").glob("*.yaml"))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_data_config_makes_its_data_module(config: Path) -> None:
    parser = ArgumentParser()
    parser.add_subclass_arguments(LightningDataModule, "data")
    parser.add_argument("--config", action=ConfigFile)
    options = parser.parse_args([f"--config={config}", "--data.init_args.workers=0"])
    data = parser.instantiate(options).data
    assert isinstance(data, ReferringDataModule | Mixture)
    assert data.workers == 0


DATA_MODULES: tuple[type[ReferringDataModule] | type[Mixture], ...] = (*DATA_SETS, Mixture)


def test_every_data_set_has_a_config() -> None:
    named = {line.split()[-1] for config in CONFIGS for line in config.read_text().splitlines() if "class_path" in line}
    assert named >= {data_module.__name__ for data_module in DATA_MODULES}


def test_every_data_set_has_a_page_that_names_its_config() -> None:
    rows = re.findall(r"^\| \[(.*?)\]\((\w+\.md)\) \| `(\w+)` \|", (PAGES / "README.md").read_text(), re.MULTILINE)
    assert set(rows) == {(module.title, module.page, module.__name__) for module in DATA_MODULES}
    pages = {page for _, page, _ in rows}
    assert {Path(page).stem for page in pages} <= {config.stem for config in CONFIGS}
    assert {page.name for page in PAGES.glob("*.md")} == {*pages, "README.md"}
    named = " ".join(
        re.findall(r"configs/data/([\w{},]+)\.yaml", " ".join((PAGES / page).read_text() for page in pages))
    )
    for config in CONFIGS:
        assert re.search(rf"\b{config.stem}\b", named), f"no page names {config.name}"
