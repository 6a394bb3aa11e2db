from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch
from safetensors.torch import load_file, save_file
from systems.tiny_folders import tiny_clipseg

from refsam_zoo.errors import InputError
from refsam_zoo.weights.hub_folders import HubFolder, load_model, read_processor

CLIPSEG = {"clipseg": "CLIPSegForImageSegmentation"}
PUBLISHED = HubFolder(
    "someone/tiny-clipseg", "0123456789abcdef" * 2 + "01234567", ("config.json", "model.safetensors"), "1 MB"
)
Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clipseg(tmp_path_factory.mktemp("hub") / "clipseg")


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "clipseg"))


def load(folder: Path) -> torch.nn.Module:
    return load_model(PUBLISHED.locate(folder), CLIPSEG, "system clipseg")


def set_config(**values: object) -> Change:
    def change(folder: Path) -> None:
        content = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**content, **values}))

    return change


def set_weights(edit: Callable[[dict[str, torch.Tensor]], object]) -> Change:
    def change(folder: Path) -> None:
        state = load_file(folder / "model.safetensors")
        edit(state)
        save_file(state, folder / "model.safetensors", {"format": "pt"})

    return change


def cut_off(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def lose_a_shard(folder: Path) -> None:
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")


def pickle_code(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"weights": Thread}, folder / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (shutil.rmtree, r"clipseg: no such folder, with 'config\.json'"),
        (lambda folder: (folder / "config.json").unlink(), r"clipseg: holds no 'config\.json'"),
        (lambda folder: (folder / "config.json").write_text("{"), r"config\.json: not readable as JSON"),
        (set_config(model_type=None), r"config\.json: no 'model_type'"),
        (
            set_config(model_type="sam3_video"),
            "model_type is 'sam3_video', but the system clipseg takes clipseg; such a folder is for the system sam3",
        ),
        (set_config(model_type="bert"), "model_type is 'bert', but the system clipseg takes clipseg$"),
        (lambda folder: (folder / "model.safetensors").unlink(), "holds no weights, neither 'model.safetensors'"),
        (cut_off, r"model\.safetensors: not a complete safetensors file"),
        (
            lambda folder: (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n"),
            "Git LFS pointer",
        ),
        (lose_a_shard, r"half a download: 1 files missing: model-00002-of-00002\.safetensors of 2"),
        (pickle_code, r"pytorch_model\.bin: .* type threading\.Thread, which is not read since that could run code"),
        (
            set_weights(lambda state: [state.pop(name) for name in list(state) if name.startswith("decoder.film")]),
            r"do not fit CLIPSegForImageSegmentation: 4 missing: decoder\.film_add\.bias, .*, and 1 more",
        ),
        (set_weights(lambda state: state.update(extra=torch.zeros(1))), "1 unknown: extra"),
        (
            set_weights(lambda state: state.update({"decoder.film_mul.bias": torch.zeros(3)})),
            r"1 of another shape: decoder\.film_mul\.bias \[3\] instead of \[8\]",
        ),
    ],
)
def test_a_bad_folder_gets_one_line(folder: Path, change: Change, complaint: str) -> None:
    change(folder)
    with pytest.raises(InputError, match=complaint) as raised:
        load(folder)
    assert "\n" not in str(raised.value)


def test_the_folder_around_the_right_one_names_it(folder: Path) -> None:
    with pytest.raises(InputError, match=r"holds no 'config\.json'; did you mean .*clipseg\?"):
        load(folder.parent)
    with pytest.raises(InputError, match="a file, not a folder; give the folder it is in"):
        load(folder / "model.safetensors")


def test_nothing_given_names_repository_files_and_size() -> None:
    with pytest.raises(InputError, match=r"someone/tiny-clipseg \(config\.json, model\.safetensors; 1 MB\).*download"):
        PUBLISHED.locate(None)


def test_shards_and_pickled_tensors_load_as_one_file_does(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = load(folder)
    model.save_pretrained(folder / "shards", max_shard_size="40KB")
    shutil.copy(folder / "config.json", folder / "shards")
    assert len(list((folder / "shards").glob("*.safetensors"))) > 1
    torch.save(
        {**model.state_dict(), "clip.text_model.embeddings.position_ids": torch.arange(77)[None]},
        folder / "pytorch_model.bin",
    )
    (folder / "model.safetensors").unlink()
    capfd.readouterr()
    for other in (load(folder / "shards"), load(folder)):
        torch.testing.assert_close(other.state_dict(), model.state_dict(), rtol=0, atol=0)
        assert not other.training
    assert capfd.readouterr() == ("", "")


def test_a_damaged_tokenizer_gets_one_line(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match="cannot read the tokenizer files"):
        read_processor(folder, "AutoTokenizer")


class Hub(ThreadingHTTPServer):
    """Answers as the hub does for one file's address; `served` is a folder, or the error it gives."""

    served: Path | str


class Answer(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        assert isinstance(self.server, Hub)
        served = self.server.served
        if isinstance(served, str):
            self.send_response(403 if served == "GatedRepo" else 404)
            self.send_header("X-Error-Code", served)
            self.send_header("X-Error-Message", f"{served} it is")
            self.end_headers()
            return
        content = (served / self.path.rpartition("/")[2]).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{len(content)}"')
        self.send_header("X-Repo-Commit", self.path.split("/")[4])
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    server = Hub(("127.0.0.1", 0), Answer)
    address = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield server
    server.shutdown()
    server.server_close()


def test_a_folder_is_downloaded_once(hub: Hub, saved: Path) -> None:
    hub.served = saved
    first = PUBLISHED.locate(None, download=True)
    assert PUBLISHED.revision in first.parts
    load(first)
    hub.served = "GatedRepo"
    assert PUBLISHED.locate(None, download=True) == first


@pytest.mark.parametrize(
    ("error", "complaint"),
    [
        ("GatedRepo", "its publisher gives access on request; ask for it on its page, then set HF_TOKEN"),
        ("RepoNotFound", ".*404"),
        ("RevisionNotFound", ".*404"),
    ],
)
def test_a_hub_that_refuses_gets_one_line(hub: Hub, error: str, complaint: str) -> None:
    hub.served = error
    with pytest.raises(InputError, match=f"someone/tiny-clipseg at 0123456789ab cannot be downloaded: {complaint}"):
        PUBLISHED.locate(None, download=True)


def test_a_hub_out_of_reach_gets_one_line_only(hub: Hub, capfd: pytest.CaptureFixture[str]) -> None:
    hub.shutdown()
    hub.server_close()
    with pytest.raises(InputError, match=r"the hub does not answer .* give a folder with the files config\.json"):
        PUBLISHED.locate(None, download=True)
    assert capfd.readouterr() == ("", "")
