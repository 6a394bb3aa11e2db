"""The command line as a user types it, and with bad input."""

from __future__ import annotations

import contextlib
import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from warm_process import WarmProcess, as_torchrun

from refsam_zoo.cli import COMMANDS, TRAINER_COMMANDS, main
from refsam_zoo.commands.trainer import OPTIONS
from refsam_zoo.synthesis import SPLITS, SynthesisOptions, synthesize

CONFIGS = Path(__file__).parents[1] / "configs"
TinyCommand = Callable[..., list[str]]
HEAVY = ("torch", "lightning", "transformers", "open_clip", "peft", "timm", "albumentations", "cv2", "wandb", "decord")
LIGHT = tuple(sorted({*COMMANDS} - {"cache"}))
"""Commands whose options name nothing of PyTorch."""


@pytest.fixture(scope="module")
def run(tiny_command: TinyCommand, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained and tested tiny run."""
    folder = tmp_path_factory.mktemp("runs") / "demo"
    assert main(tiny_command("fit", folder, "--trainer.max_epochs=2")) == 0
    assert main(tiny_command("test", folder, f"--ckpt_path={folder / 'checkpoints' / 'last.ckpt'}")) == 0
    return folder


def error_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that bad input is answered with."""
    capsys.readouterr()
    assert main(arguments) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("refsam-zoo: error: ")]
    assert len(lines) == 1
    return lines[0]


@pytest.mark.slow
class TestRun:
    def test_everything_is_on_disk(self, run: Path) -> None:
        names = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
        assert {
            "config.yaml",
            "config_test.yaml",
            "metrics.csv",
            "checkpoints/best.ckpt",
            "checkpoints/last.ckpt",
            "evaluation/per_expression.csv",
            "evaluation/summary.json",
            "evaluation/summary.md",
            "evaluation/curves.png",
            "evaluation/examples.png",
        } <= names

    def test_the_summary_is_the_mean_of_the_table(self, run: Path) -> None:
        with (run / "evaluation" / "per_expression.csv").open(encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["subset"] == "test"]
        summary = json.loads((run / "evaluation" / "summary.json").read_text(encoding="utf-8"))
        mean = sum(float(row["j"]) for row in rows) / len(rows)
        assert json.dumps(summary).count("text_blind") >= 1
        assert summary["subsets"]["test"]["j"] == pytest.approx(mean)

    def test_a_run_is_continued_in_another_folder(self, run: Path, tiny_command: TinyCommand) -> None:
        before = (run / "checkpoints" / "last.ckpt").read_bytes()
        more = ("--trainer.max_epochs=3", f"--ckpt_path={run / 'checkpoints' / 'last.ckpt'}")
        copy = run.parent / "resumed"
        assert main(tiny_command("fit", copy, *more)) == 0
        assert (run / "checkpoints" / "last.ckpt").read_bytes() == before
        with (copy / "metrics.csv").open(encoding="utf-8") as file:
            assert {row["epoch"] for row in csv.DictReader(file) if row.get("val/jf")} == {"2"}

    def test_flags_win_over_the_checkpoint(
        self, run: Path, tiny_command: TinyCommand, capsys: pytest.CaptureFixture[str]
    ) -> None:
        checkpoint = f"--ckpt_path={run / 'checkpoints' / 'last.ckpt'}"
        message = error_of(tiny_command("test", run, checkpoint, "--model.tracker=no_tracker"), capsys)
        assert "of another model" in message
        assert "model.tracker.layers.0.weight" in message

    def test_segment_needs_no_configuration(self, run: Path, ref_shapes: Path, tmp_path: Path) -> None:
        video = next((ref_shapes / "test" / "Videos").glob("*.mp4"))
        sentences = ["the red circle", "the star"]
        checkpoint = str(run / "checkpoints" / "best.ckpt")
        assert (
            main(["segment", str(video), *sentences, "--checkpoint", checkpoint, "--output", str(tmp_path / "o")]) == 0
        )
        assert len(list((tmp_path / "o" / "masks").rglob("*.png"))) == 2 * 6
        assert (tmp_path / "o" / "overlay.mp4").stat().st_size > 0

    def test_a_checkpoint_with_parts_that_are_gone_is_one_line(
        self, run: Path, ref_shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        content = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
        content["hyper_parameters"]["tracker"]["class_path"] = "refsam_zoo.model.trackers.base.lost_tracker"
        torch.save(content, tmp_path / "old.ckpt")
        video = next((ref_shapes / "test" / "Videos").glob("*.mp4"))
        arguments = ["segment", str(video), "it", f"--checkpoint={tmp_path / 'old.ckpt'}", f"--output={tmp_path / 'o'}"]
        message = error_of(arguments, capsys)
        assert "old.ckpt: this release cannot build its model" in message
        assert "lost_tracker" in message

    def test_predict_writes_masks(self, run: Path, tiny_command: TinyCommand, tmp_path: Path) -> None:
        checkpoint = f"--ckpt_path={run / 'checkpoints' / 'last.ckpt'}"
        assert main(tiny_command("predict", tmp_path, checkpoint)) == 0
        assert list((tmp_path / "masks").rglob("*.png"))

    def test_a_checkpoint_is_a_system_too(self, run: Path, tiny_command: TinyCommand, tmp_path: Path) -> None:
        command, *options = [argument for argument in tiny_command("test", tmp_path) if "demo.yaml" not in argument]
        system = (f"--config={CONFIGS / 'systems/refsam.yaml'}", f"--system.checkpoint={run / 'checkpoints/last.ckpt'}")
        data = f"--config={CONFIGS / 'data/ref_shapes.yaml'}"
        assert main([command, *system, data, *options, "--data.kinds=[attribute]"]) == 0
        one, other = ((folder / "evaluation" / "per_expression.csv").read_text() for folder in (run, tmp_path))
        assert one == other

    def test_two_processes_give_the_numbers_of_one(
        self, run: Path, tiny_command: TinyCommand, tmp_path: Path, warm_process: WarmProcess
    ) -> None:
        checkpoint = f"--ckpt_path={run / 'checkpoints' / 'last.ckpt'}"
        arguments = tiny_command("test", tmp_path, "--trainer.strategy=ddp", "--trainer.devices=2", checkpoint)
        done = warm_process.run("-m", "refsam_zoo", *arguments, surroundings=as_torchrun(2))
        assert done.returncode == 0, done.stderr
        assert "MEMBER: 2/2" in done.stderr
        one, two = (
            (folder / "evaluation" / "per_expression.csv").read_text(encoding="utf-8") for folder in (run, tmp_path)
        )
        assert one == two


class TestBadInput:
    def test_help_and_mistakes_import_nothing_heavy(self) -> None:
        program = (
            "import sys; from refsam_zoo.cli import main; "
            f"assert main(['--help']) == 0; assert main(['tset']) == 2; print(set({HEAVY}) & set(sys.modules))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout.strip().endswith("set()")
        assert "did you mean 'test'" in done.stderr

    def test_what_the_commands_need_for_help_and_mistakes(self) -> None:
        program = f"""
import contextlib, io, sys
from refsam_zoo.cli import main
for command in {[*TRAINER_COMMANDS]}:
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        assert main([command, "--help"]) == 0
    assert f"usage: refsam-zoo {{command}}" in shown.getvalue()
    for mistake in ("--cofig=a.yaml", "--trianer.max_epochs=3", "--trainer.max-epoch=3"):
        assert main([command, mistake]) == 2
with contextlib.redirect_stdout(io.StringIO()):
    assert main(["cache", "--help"]) == 0
for command in {LIGHT}:
    with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.suppress(SystemExit):
        main([command, "--help"])
    assert f"usage: refsam-zoo {{command}}" in shown.getvalue()
    assert main([command, "--nonsense=1"]) == 2
    print(command, *sorted(set({HEAVY}) - {{"cv2"}} & set(sys.modules)))
"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout.split("\n")[:-1] == [*LIGHT]
        assert done.stderr.count("unknown option '--nonsense'") == len(LIGHT)
        assert done.stderr.count("did you mean '--config'?") == len(TRAINER_COMMANDS)
        assert done.stderr.count("did you mean '--trainer.max_epochs'?") == 2 * len(TRAINER_COMMANDS)

    @pytest.mark.parametrize(
        "arguments", [["plan"], ["predict"], ["validate", "--system=clipseg"], ["fit", "--samwise=1"]], ids=" ".join
    )
    def test_help_from_sources_is_that_of_the_parsers(
        self, arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "1000")
        assert main([*arguments, "--help"]) == 0
        told = shown_options(capsys.readouterr().out)
        with contextlib.suppress(SystemExit):
            main([arguments[0], "--help=all", *arguments[1:]])
        found = shown_options(capsys.readouterr().out)
        written_otherwise = {"model.predictor"}  # a class
        wrong = {name for name, default in told.items() if default not in (None, found[name])}
        assert wrong <= written_otherwise
        left_out = {name for name in found.keys() - told.keys() if not name.endswith(".help")}
        groups = {name for name in left_out if any(other.startswith(f"{name}.") for other in told)}
        assert left_out - groups <= {"optimizer", "lr_scheduler"}  # which are refused
        assert {name.split(".")[0] for name in found} <= {*OPTIONS}

    def test_help_of_serve_needs_no_server(self, warm_process: WarmProcess) -> None:
        code = (
            "import sys; from refsam_zoo.cli import main\ntry: main(['serve', '--help'])\nfinally: print(*sys.modules)"
        )
        modules = warm_process.run("-c", code).stdout.splitlines()[-1].split()
        assert "refsam_zoo.commands.serve" in modules
        assert {"starlette", "uvicorn"} & set(modules) == set()

    @pytest.mark.parametrize(
        ("flag", "expected"),
        [
            ("--model.image_encoder=vit_tinny", "unknown image encoder 'vit_tinny'; did you mean 'vit_tiny'?"),
            ("--model.tuner=lroa", "unknown tuner 'lroa'; did you mean 'lora'?"),
            ("--trainer.maxepochs=2", "did you mean '--trainer.max_epochs'?"),
            ("--trainer.max_epochs=many", "trainer.max_epochs"),
            (
                '--data.augmentation.transforms=[{"class_path": "albumentations.GausianBlur"}]',
                "--data.augmentation.transforms: albumentations has no GausianBlur; did you mean 'GaussianBlur'?",
            ),
        ],
    )
    def test_misspelt_options(
        self, flag: str, expected: str, tiny_command: TinyCommand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert expected in error_of(tiny_command("fit", tmp_path, flag), capsys)

    def test_what_is_missing_is_named_as_it_is_typed(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "missing: --output;" in error_of(["segment", "v.mp4", "the star"], capsys)

    def test_a_configuration_that_is_not_there(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "nowhere.yaml" in error_of(["fit", "--config=nowhere.yaml"], capsys)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "damage", ["truncated_jpeg", "mask_size", "empty_expression", "no_frames", "no_folder", "not_json"]
    )
    def test_a_damaged_data_set(
        self,
        damage: str,
        ref_shapes: Path,
        tiny_command: TinyCommand,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        data = tmp_path / "data"
        shutil.copytree(ref_shapes, data)
        named = damage_data(data, damage)
        arguments = tiny_command("fit", tmp_path / "run", f"--data.root={data}", "--data.epoch_length=24")
        assert named in error_of(arguments, capsys)

    @pytest.mark.slow
    def test_a_truncated_video_file(
        self, tiny_command: TinyCommand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        data = tmp_path / "data"
        splits = dict.fromkeys((f"{split}_videos" for split in SPLITS), 1)
        synthesize(data, SynthesisOptions(image_size=64, frames=6, mp4="all", **splits))
        for video in (data / "train" / "Videos").glob("*.mp4"):
            video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
        assert ".mp4" in error_of(
            tiny_command("fit", tmp_path / "run", f"--data.root={data}", "--data.frames_from=mp4"), capsys
        )

    @pytest.mark.slow
    def test_a_disk_that_fills_up(self, tiny_command: TinyCommand, tmp_path: Path, warm_process: WarmProcess) -> None:
        """A limit on the size of files stands for the end of the disk: the checkpoint does not fit, the table does."""
        program = (
            "import resource, sys; from refsam_zoo.cli import main; "
            "resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20)); sys.exit(main(sys.argv[1:]))"
        )
        arguments = tiny_command("fit", tmp_path, "--trainer.max_epochs=1")
        done = warm_process.run("-c", program, *arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        named = f"{tmp_path / 'checkpoints' / 'best.ckpt'} cannot be written: File too large"
        assert done.stderr.splitlines()[-1] == f"refsam-zoo: error: {named}"
        assert (tmp_path / "config.yaml").is_file()
        assert not list(tmp_path.rglob("*.ckpt*"))

    @pytest.mark.parametrize(
        ("content", "what"),
        [
            (b"", "the file is empty"),
            (b"no checkpoint", "not a readable checkpoint: "),
            (b"version https://git-lfs", "not a weights file but a"),
        ],
    )
    def test_a_checkpoint_that_is_none(
        self, content: bytes, what: str, tiny_command: TinyCommand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        checkpoint = tmp_path / "model.ckpt"
        checkpoint.write_bytes(content)
        message = error_of(tiny_command("test", tmp_path, f"--ckpt_path={checkpoint}"), capsys)
        assert f"{checkpoint}: {what}" in message
        assert len(message.rpartition(": ")[2]) > len("empty")

    def test_an_output_folder_that_cannot_be_made(
        self, tiny_command: TinyCommand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "file").write_text("in the way")
        message = error_of(tiny_command("fit", tmp_path / "file" / "run"), capsys)
        assert str(tmp_path / "file" / "run") in message


def shown_options(text: str) -> dict[str, str | None]:
    """The options that a help shows, and the default of each where it says one."""
    options = re.findall(r"^  (?:-\w[A-Z ]*, )?--([\w.]+)((?:.|\n(?!  -|\n))*)", text, flags=re.MULTILINE)
    defaults = ((name, rest.rpartition(" default: ")[2] if ", default: " in rest else None) for name, rest in options)
    return {name: default and re.split(r", known|, one of|\)$", default)[0] for name, default in defaults}


def damage_data(data: Path, damage: str) -> str:
    """Damages a data set; gives what the message must name."""
    meta = data / "meta_expressions" / "train" / "meta_expressions.json"
    videos = json.loads(meta.read_text(encoding="utf-8"))["videos"]
    if damage == "not_json":
        meta.write_text("{", encoding="utf-8")
        return str(meta)
    if damage in ("empty_expression", "no_frames"):
        first = next(iter(videos.values()))
        if damage == "no_frames":
            first["frames"] = []
        else:
            next(iter(first["expressions"].values()))["exp"] = " "
        meta.write_text(json.dumps({"videos": videos}), encoding="utf-8")
        return str(meta)
    if damage == "no_folder":
        shutil.rmtree(data / "train" / "JPEGImages" / next(iter(videos)))
        return next(iter(videos))
    if damage == "truncated_jpeg":
        for frame in (data / "train" / "JPEGImages").rglob("*.jpg"):
            frame.write_bytes(frame.read_bytes()[:200])
        return ".jpg"
    from PIL import Image

    for mask in (data / "train" / "Annotations").rglob("*.png"):
        Image.new("P", (20, 20)).save(mask)
    return ".png"
