"""validate, test and predict with a system in the place of a model: any system, any data set, no special case."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from systems.documented import BRIGHT_PIXELS
from systems.tiny_folders import tiny_clipseg
from warm_process import WarmProcess, as_torchrun

from refsam_zoo import create_system, open_video
from refsam_zoo.cli import main
from refsam_zoo.data_modules import RefShapes
from refsam_zoo.video.masks import read_indexed

CONFIGS = Path(__file__).parents[2] / "configs"
Command = Callable[..., list[str]]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clipseg(tmp_path_factory.mktemp("clipseg"))


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of a user's, which can be imported."""
    (tmp_path / "own_system.py").write_text(BRIGHT_PIXELS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_system", raising=False)
    return "own_system"


@pytest.fixture(scope="module")
def command(ref_shapes: Path) -> Command:
    """Gives a function: command, run folder and further options -> arguments on tiny data."""

    def arguments(name: str, run: Path, *more: object) -> list[str]:
        return [
            name,
            f"--config={CONFIGS / 'data/ref_shapes.yaml'}",
            f"--data.root={ref_shapes}",
            "--data.synthesis=null",
            "--data.workers=0",
            "--trainer.accelerator=cpu",
            "--trainer.enable_model_summary=false",
            f"--trainer.default_root_dir={run}",
            *(str(option) for option in more),
        ]

    return arguments


@pytest.fixture(scope="module")
def clipseg(weights: Path) -> tuple[str, ...]:
    return ("--system=clipseg", f"--system.weights={weights}", "--system.threshold=0.45")


def test_predict_writes_the_masks_of_the_stream(
    command: Command, clipseg: tuple[str, ...], weights: Path, ref_shapes: Path, tmp_path: Path
) -> None:
    assert main(command("predict", tmp_path / "run", *clipseg)) == 0
    referral = RefShapes(ref_shapes).referrals("test")[0]
    system = create_system("clipseg", weights=weights, threshold=0.45, device="cpu")
    with open_video(referral.source) as reader:
        found = [frame.masks[0] for frame in system.stream(reader.stream(2), referral.expression)]
    folder = tmp_path / "run" / "masks" / referral.video_id / referral.expression_id
    written = [read_indexed(folder / f"{name}.png", found[0].shape) > 0 for name in referral.frames]
    assert 0 < np.mean(written) < 1
    assert np.mean(np.array(written) != np.array(found)) < 1e-3  # other batches may turn a pixel on the threshold


def test_two_systems_are_scored_and_compared(
    command: Command,
    clipseg: tuple[str, ...],
    own_module: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = (f"--system={own_module}.BrightPixels", "--system.above=150")
    assert main(command("validate", tmp_path / "validated", *own)) == 0
    assert "val/jf" in capsys.readouterr().out
    for name, options in {"one": clipseg, "two": own}.items():
        assert main(command("test", tmp_path / name, *options)) == 0
        assert {path.name for path in (tmp_path / name / "evaluation").iterdir()} >= {
            "per_expression.csv",
            "summary.json",
        }
    again = (
        "test",
        f"--config={tmp_path / 'two/config_test.yaml'}",
        f"--trainer.default_root_dir={tmp_path / 'three'}",
    )
    assert main([*again]) == 0
    tables = [(tmp_path / name / "evaluation/per_expression.csv").read_text() for name in ("one", "two", "three")]
    assert tables[0] != tables[1] == tables[2]
    capsys.readouterr()
    assert main(["compare", str(tmp_path / "one"), str(tmp_path / "two")]) == 0
    assert "| test | all |" in capsys.readouterr().out


def test_a_submission(
    command: Command, clipseg: tuple[str, ...], make_tree: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_tree("valid", videos={"aa": 2, "bb": 3}, truth=False)
    files = [f"--config={CONFIGS / name}" for name in ("systems/clipseg.yaml", "data/refer_youtube_vos.yaml")]
    data = (f"--data.root={root}", "--data.workers=0")
    more = ("--trainer.accelerator=cpu", f"--trainer.default_root_dir={tmp_path / 'run'}")
    assert main(["predict", *files, *clipseg, *data, *more, f"--submission={tmp_path / 'out.zip'}"]) == 0
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert len([name for name in archive.namelist() if name.endswith(".png")]) == 2 * (2 + 3)


NOTICING = """
import torch

SEEN = []


class Noticing(BrightPixels):
    def segment(self, images, track):
        SEEN.append(str(self.model(torch.ones(1, 1)).dtype))
        return super().segment(images, track)

    def compile(self):
        SEEN.append("compiled")
"""


def test_precision_and_compiling_are_chosen_by_the_user(command: Command, own_module: str, tmp_path: Path) -> None:
    (tmp_path / f"{own_module}.py").write_text(BRIGHT_PIXELS + NOTICING)
    options = (f"--system={own_module}.Noticing", "--trainer.precision=bf16-mixed", "--compile=true")
    assert main(command("validate", tmp_path / "run", *options, "--trainer.limit_val_batches=1")) == 0
    seen = sys.modules[own_module].SEEN  # type: ignore[attr-defined]
    assert seen[0] == "compiled"
    assert set(seen[1:]) == {"torch.bfloat16"}


@pytest.mark.slow
def test_two_processes_give_the_numbers_of_one(
    command: Command, clipseg: tuple[str, ...], tmp_path: Path, warm_process: WarmProcess
) -> None:
    assert main(command("test", tmp_path / "one", *clipseg)) == 0
    two = command("test", tmp_path / "two", *clipseg, "--trainer.strategy=ddp", "--trainer.devices=2")
    done = warm_process.run("-m", "refsam_zoo", *two, surroundings=as_torchrun(2))
    assert done.returncode == 0, done.stderr
    assert "MEMBER: 2/2" in done.stderr
    tables = [(tmp_path / name / "evaluation" / "per_expression.csv").read_text() for name in ("one", "two")]
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("fit", ["--system=clipseg"], "fit trains a model, not a system; validate, test and predict take --system"),
        ("test", ["--system=clipseg", f"--config={CONFIGS / 'demo.yaml'}"], "a model and a system are both given"),
        ("test", ["--system=clipseg", "--model.tuner=lora"], "a model and a system are both given"),
        ("test", ["--system=clipseg", "--ckpt_path=best"], "--ckpt_path is a model's"),
        ("test", ["--system=clipsge"], "--system: unknown system 'clipsge'; did you mean 'clipseg'?"),
        ("test", [f"--config={CONFIGS / 'systems/refsam.yaml'}"], "missing: --system.checkpoint, which refsam needs"),
        ("test", [f"--config={CONFIGS / 'systems/clipseg.yaml'}"], "no weights given: name a folder with the files of"),
        ("predict", ["--system=refsam", "--system.checkpoint=nowhere"], "nowhere: no such checkpoint"),
        ("predict", ["--system=clipseg", "--system.threshold=7"], "--system.threshold must be a number from 0 to 1"),
    ],
)
def test_what_is_wrong_is_one_line(
    name: str,
    options: list[str],
    message: str,
    command: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(command(name, tmp_path / "run", *options)) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("refsam-zoo: error: ")]
    assert len(errors) == 1
    assert message in errors[0]


def test_options_of_a_system_do_not_pass_to_another(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--system=clipseg", "--system.threshold=0.25", "--system=refsam", "--system.checkpoint=x")
    with pytest.raises(SystemExit):
        main(command("test", tmp_path / "run", *options, "--print_config"))
    assert "threshold: 0.0" in capsys.readouterr().out
