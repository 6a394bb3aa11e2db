"""A base install segments and exports; what needs more says in a line what to install."""

from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from formats.masks import write_truth
from packaging.requirements import Requirement
from PIL import Image

from refsam_zoo import cli, create_model
from refsam_zoo.data_modules.refer_youtube_vos import parse_refer_youtube_vos
from refsam_zoo.inference.outputs import OUTPUTS

ROOT = Path(__file__).parents[1]
MISSING = '2 refsam-zoo: error: {} needs the package {}, which a base install lacks: pip install "refsam-zoo[{}]"'
PROGRAM = """
import contextlib, io, sys
from importlib.machinery import PathFinder
hidden, *commands = map(str.split, sys.argv[1:])
find = PathFinder.find_spec
PathFinder.find_spec = staticmethod(
    lambda name, path=None, target=None: None if name.split(".")[0] in hidden else find(name, path, target)
)
from refsam_zoo.cli import main
for command in commands:
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        code = main(command)
    print(command[0], code, errors.getvalue().strip().splitlines()[-1] if code else "", flush=True)
"""


def requirements(section: str, key: str) -> set[str]:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    lines = [line.partition("#")[0].strip() for line in parser[section][key].splitlines()]
    return {Requirement(line).name for line in lines if line}


def import_names(extra: str) -> set[str]:
    return {name.replace("-", "_") for name in requirements("options.extras_require", extra)}


@pytest.mark.parametrize("extra", ["train", "serve"])
def test_what_an_extra_brings_is_named_where_it_is_missing(extra: str) -> None:
    assert import_names(extra) == {name for name, brings in cli._EXTRAS.items() if brings == extra}
    assert requirements("options.extras_require", extra) <= requirements("options.extras_require", "dev")
    assert not requirements("options.extras_require", extra) & requirements("options", "install_requires")


@pytest.mark.slow
def test_without_the_extras(tmp_path: Path, ref_shapes: Path) -> None:
    create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="frozen").save_pretrained(tmp_path / "model")
    for number in range(2):
        Image.fromarray(np.full((48, 64, 3), 100, np.uint8)).save(tmp_path / f"{number}.png")
    extras = [import_names(extra) for extra in ("train", "serve", "export", "formats", "tensorboard", "wandb")]
    masks = write_truth(parse_refer_youtube_vos(ref_shapes, "test"), tmp_path / "masks")
    every, model = ",".join(OUTPUTS), tmp_path / "model"
    commands = {
        f"segment {tmp_path} dog --checkpoint {model} --output {tmp_path / 'out'} --save {every}": "0",
        "list": "0",
        f"export {model} {tmp_path / 'copy'}": "0",
        "parameters": "0",
        f"fit --config {ROOT / 'configs' / 'demo.yaml'}": MISSING.format("fit", "lightning", "train"),
        f"inspect {ref_shapes} --contact_sheet {tmp_path / 'sheet.png'}": "0",
        f"evaluate {masks} --protocol ref_shapes --data {ref_shapes}": MISSING.format("evaluate", "isal", "train"),
        f"serve --checkpoint {model}": MISSING.format("serve", "starlette", "serve"),
    }
    hidden = " ".join(sorted(set.union(*extras) - requirements("options", "install_requires")))
    done = subprocess.run([sys.executable, "-c", PROGRAM, hidden, *commands], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = [f"{command.partition(' ')[0]} {said}" for command, said in commands.items()]
    assert [line.strip() for line in done.stdout.splitlines()] == expected
    assert {"masks", "overlay.mp4", "coco.json"} <= {path.name for path in (tmp_path / "out").iterdir()}
