from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from nlcunet.errors import ConfigError, DeviceError, ExportError, WeightsError
from nlcunet.export import sessions
from nlcunet.export.exporting import ExportRequest, export_model
from nlcunet.export.facts import ExportFacts, Parity
from nlcunet.inference.engines import exported
from nlcunet.inference.engines.exported import ExportedEngine, open_cached, open_exported
from nlcunet.inference.loading import load
from nlcunet.inference.settings import EngineSettings
from nlcunet.inference.upscaler import Upscaler
from nlcunet.models.weights import load_model

BOUND = 1e-4
"""What docs/export.md promises of samples in [0, 1] in float32."""


@pytest.fixture
def picture():
    rows, columns = np.mgrid[0:50, 0:70].astype(np.float32)
    wave = 0.5 + 0.4 * np.sin(rows / 3) * np.cos(columns / 5)
    return np.stack([wave, wave[::-1], 1 - wave], axis=2)


@pytest.fixture
def facts(tiny):
    parity = Parity(tiles=1, max_difference=0, mean_difference=0, psnr_db=200, tokens=0, moved_tokens=0)
    return ExportFacts(
        target="onnx", precision="float32", tiles=(64,), weights_sha256="0", header=tiny.header, parity=parity
    )


@pytest.mark.usefixtures("draw_once")
@pytest.mark.parametrize(
    ("to", "name", "engines"), [("onnx", "tiny.onnx", ("onnx", "openvino")), ("openvino", "tiny.xml", ("openvino",))]
)
def test_a_picture_is_the_same_in_every_engine(tiny, tmp_path, picture, *, to, name, engines):
    path = tmp_path / name
    export_model(tiny, path, ExportRequest(to=to, tiles=(32,)))
    flags = {"tile": 32, "overlap": 8, "threads": 1}
    want = Upscaler(tiny, **flags).upscale(picture)
    for engine in engines:
        result = load(path, engine=engine, **flags).upscale(picture)
        np.testing.assert_allclose(result, want, atol=BOUND)
    assert np.abs(want - load("bicubic-x2", **flags).upscale(picture)).max() > 0.05  # the network does something


@pytest.mark.usefixtures("unchecked_shapes")
def test_weights_are_exported_once_into_the_cache(tmp_path, monkeypatch, picture):
    monkeypatch.setenv("NLCUNET_CACHE", str(tmp_path))
    written = []
    first = load("bicubic-x2", engine="openvino", on_export=written.append, threads=1)
    second = load("bicubic-x2", engine="openvino", on_export=written.append, threads=1)
    assert len(written) == 1
    assert written[0].parent == tmp_path / "exports"
    assert written[0].name.startswith("bicubic-x2-")
    assert first.engine.name == second.engine.name == "openvino"
    want = load("bicubic-x2", threads=1).upscale(picture)
    for upscaler in (first, second):
        np.testing.assert_allclose(upscaler.upscale(picture), want, atol=BOUND)


def test_other_weights_versions_and_precisions_have_files_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("NLCUNET_CACHE", str(tmp_path))
    paths = []

    def export(_model, path, request):
        paths.append(path)
        raise ExportError("stop here")

    monkeypatch.setattr(exported, "export_model", export)
    for name, precision, version in [
        ("bicubic-x2", "auto", "1"),
        ("bicubic-x3", "auto", "1"),
        ("bicubic-x2", "int8", "1"),
        ("bicubic-x2", "auto", "2"),
    ]:
        monkeypatch.setattr(exported, "__version__", version)
        with pytest.raises(ExportError, match="stop here"):
            open_cached(load_model(name), EngineSettings(engine="onnx", precision=precision))
    assert len(set(paths)) == 4


def test_when_memory_runs_out_the_tile_is_halved(tiny, facts, picture):
    sides = []

    def run(batch):
        sides.append(max(batch.shape[-2:]))
        if sides[-1] > 40:
            raise MemoryError("no room")
        with torch.inference_mode():
            return (tiny.network(batch),)

    upscaler = Upscaler(ExportedEngine("onnx", run, facts, torch.device("cpu")), tile=72)
    assert upscaler.upscale(picture).shape == (100, 140, 3)
    assert sides[0] == 72
    assert max(sides[1:]) <= 36


@pytest.mark.parametrize("words", ["Failed to allocate memory for requested buffer of size 9", "std::bad_alloc"])
def test_what_engines_say_about_memory_is_understood(words):
    with pytest.raises(MemoryError, match=words), sessions._memory_errors():
        raise RuntimeError(words)
    with pytest.raises(RuntimeError, match="another"), sessions._memory_errors():
        raise RuntimeError("another")


def test_results_that_are_not_finite_are_an_error(facts, picture):
    engine = ExportedEngine("onnx", lambda _: (torch.full((1, 3, 100, 144), torch.nan),), facts, torch.device("cpu"))
    with pytest.raises(WeightsError, match="gave infinities or NaN even in float32"):
        Upscaler(engine, tile=256).upscale(picture)


def test_a_foreign_graph_is_refused(tmp_path, drawn):
    (tmp_path / "foreign.onnx").write_bytes(drawn)
    with pytest.raises(ExportError, match="must say what network it is; write it with `nlcunet export`"):
        load(tmp_path / "foreign.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    for engine in ("onnx", "openvino"):
        with pytest.raises(ExportError, match=r"broken\.onnx must be "):
            load(tmp_path / "broken.onnx", engine=engine)


def test_file_engine_precision_and_strength_must_fit(tmp_path, drawn, facts):
    graph = onnx.load_from_string(drawn)
    onnx.helper.set_model_props(graph, {"nlcunet": facts.model_dump_json()})
    path = tmp_path / "tiny.onnx"
    onnx.save(graph, path)
    with pytest.raises(ConfigError, match=r"the engine torch takes files that end in \.pt2: got tiny\.onnx"):
        load(path, engine="torch")
    with pytest.raises(ConfigError, match=r"the precision of tiny\.onnx is float32: got int8"):
        load(path, precision="int8")
    with pytest.raises(ConfigError, match="cannot be mixed"):
        load(path, strength=0.5)
    with pytest.raises(ExportError, match="found no missing"):
        open_exported(Path("missing.onnx"), EngineSettings())
    assert load(path, precision="float32").header == facts.header


def test_engines_and_devices_that_are_not_there_are_named():
    with pytest.raises(ConfigError, match="the engine must be auto, torch or onnx or openvino: got 'tensorrt'"):
        load("bicubic-x2", engine="tensorrt")
    with pytest.raises(ConfigError, match="onnx must be one of float32, float16, int8: got 'bfloat16'"):
        load("bicubic-x2", engine="onnx", precision="bfloat16")
    with pytest.raises(DeviceError, match="not there"):
        load("bicubic-x2", engine="onnx", device="cuda:99")
