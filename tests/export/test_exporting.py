import json
import re
from pathlib import Path

import onnx
import onnxruntime
import openvino
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from nlcunet.errors import ConfigError, ExportError
from nlcunet.export import exporting, torch_export
from nlcunet.export.drawing import WatchedNetwork, draw, drawable
from nlcunet.export.exporting import ExportRequest, export_model
from nlcunet.export.facts import ExportFacts
from nlcunet.export.libraries import import_library
from nlcunet.export.onnx import make_onnx
from nlcunet.export.sessions import open_onnx, open_openvino
from nlcunet.models.dcls import DCLS, DCLSConfig
from nlcunet.models.registry import network_from_config, size_config
from nlcunet.models.weights import LoadedModel, describe, load_model, weights_checksum

SIZES = [(1, 4, 4), (2, 16, 20), (3, 20, 24), (1, 36, 36), (2, 40, 64)]
"""In the tiny network less than one chunk of attention, exactly one, a little more, and several; batches of one and
more."""

FAST = ExportRequest(tiles=(40,))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def snippets(page):
    """The blocks of Python on a page of the documentation."""
    text = (Path(__file__).parents[2] / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def plain(tiny):
    """Convolutions alone, which are drawn in a moment."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.GELU(), nn.Conv2d(4, 12, 1), nn.PixelShuffle(2))
    return LoadedModel(network.eval(), tiny.header)


@pytest.fixture(scope="module")
def engines(drawn):
    return [open_onnx(drawn, 1)[0], open_openvino(drawn, 1)[0]]


@pytest.mark.parametrize("size", SIZES)
def test_one_graph_takes_every_batch_and_size(tiny, engines, size):
    low_res = torch.rand(size[0], 3, *size[1:])
    with torch.inference_mode():
        want = tiny.network(low_res)
    for run in engines:
        torch.testing.assert_close(run(low_res)[0], want, atol=2e-6, rtol=1e-5)


@pytest.mark.usefixtures("draw_once")
def test_a_file_says_what_it_is_and_how_far_from_pytorch(tiny, tmp_path):
    path = tmp_path / "tiny.onnx"
    facts = export_model(tiny, path, FAST)
    assert facts.header == tiny.header
    assert facts.weights_sha256 == weights_checksum(tiny)
    assert facts.parity.max_difference < 1e-5
    assert facts.parity.psnr_db > 100
    assert (facts.parity.tokens, facts.parity.moved_tokens) == (2 * (3 * 100 + 1) - 100, 0)
    assert ExportFacts.model_validate_json(open_onnx(path)[1]) == facts
    assert names(tmp_path) == ["tiny.onnx"]
    assert "/src/nlcunet" not in path.read_bytes().decode("latin-1")  # no paths of the machine that wrote it


@pytest.mark.usefixtures("draw_once")
def test_the_page_says_how_onnx_runtime_alone_runs_a_file(tiny, tmp_path, monkeypatch):
    export_model(tiny, tmp_path / "s.onnx", FAST)
    session = onnxruntime.InferenceSession(tmp_path / "s.onnx")
    assert [output.name for output in session.get_outputs()] == ["high_res"]
    assert session.get_inputs()[0].shape == ["batch", 3, "height", "width"]
    snippet = next(block for block in snippets("docs/export.md") if "onnxruntime" in block)
    monkeypatch.chdir(tmp_path)
    names_of_snippet = {}
    exec(snippet, names_of_snippet)  # noqa: S102 - our own page
    tiles, enlarged = names_of_snippet["tiles"], names_of_snippet["enlarged"]
    assert "nlcunet" not in snippet
    with torch.inference_mode():
        want = tiny.network(torch.from_numpy(tiles))
    torch.testing.assert_close(torch.from_numpy(enlarged), want, atol=2e-6, rtol=1e-5)


@pytest.mark.usefixtures("draw_once")
@pytest.mark.parametrize(("precision", "least_db"), [("float16", 50), ("int8", 30)])
def test_openvino_holds_smaller_precisions(tiny, tmp_path, precision, least_db):
    path = tmp_path / "tiny.xml"
    facts = export_model(tiny, path, ExportRequest(to="openvino", precision=precision, tiles=(40,)))
    assert facts.parity.psnr_db > least_db
    assert names(tmp_path) == ["tiny.bin", "tiny.xml"]
    graph = openvino.Core().read_model(path)
    assert json.loads(graph.get_rt_info(["nlcunet"]).value)["precision"] == precision
    assert ExportFacts.model_validate_json(open_openvino(path)[1]) == facts


@pytest.mark.usefixtures("draw_once")
def test_int8_keeps_attention_in_float32_and_tells_what_it_costs(tiny, tmp_path):
    facts = export_model(tiny, tmp_path / "tiny.onnx", ExportRequest(precision="int8", tiles=(40,)))
    assert 30 < facts.parity.psnr_db < 80
    graph = onnx.load(tmp_path / "tiny.onnx").graph
    eight_bits = {array.name for array in graph.initializer if array.data_type == onnx.TensorProto.INT8}
    assert any("feed_forward.expand" in name for name in eight_bits)
    assert not any(".attention." in name for name in eight_bits)


@pytest.mark.usefixtures("unchecked_shapes")
def test_float16_halves_convolutions_alone(plain, tiny, tmp_path):
    facts = export_model(plain, tmp_path / "plain.onnx", ExportRequest(precision="float16", tiles=(40,)))
    assert facts.parity.psnr_db > 50
    kinds = {array.data_type for array in onnx.load(tmp_path / "plain.onnx").graph.initializer if len(array.dims) == 4}
    assert kinds == {onnx.TensorProto.FLOAT16}
    halved = WatchedNetwork(tiny, "float16")
    assert halved.network.latent[0].attention.query.weight.dtype == torch.float32
    assert halved.network.latent[0].merge.weight.dtype == torch.float16
    low_res = torch.rand(1, 3, 40, 40)
    with torch.inference_mode():
        difference = (halved.watch(low_res)[0] - tiny.network(low_res)).abs().max()
    assert 1e-5 < difference < 1e-2


def poison(proto, part, change):
    """Change a weight of a graph."""
    array = next(one for one in proto.graph.initializer if part in one.name)
    array.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(array)), array.name))
    return proto


def brighter(values):
    return values + 0.01


@pytest.mark.parametrize(
    ("to", "part", "change", "message"),
    [
        ("onnx", "fusion.bias", brighter, "must differ from PyTorch by at most 0.0001: it differs by"),
        ("openvino", "fusion.bias", brighter, "must differ from PyTorch by at most 0.0001: it differs by"),
        ("onnx", "fusion.bias", lambda values: values * float("nan"), "must give finite numbers"),
        # the rotations of one round, by the name that the exporter gives them
        ("openvino", "getitem", lambda values: values[..., ::-1].copy(), "must use PyTorch's buckets"),
    ],
)
def test_an_export_that_differs_is_not_written(request, tmp_path, monkeypatch, *, to, part, change, message):
    tiny, drawn = request.getfixturevalue("tiny"), request.getfixturevalue("drawn")
    monkeypatch.setattr(exporting, "make_onnx", lambda *_: poison(onnx.load_from_string(drawn), part, change))
    suffix = exporting.TARGETS[to].suffix
    earlier = tmp_path / f"tiny{suffix}"
    earlier.write_text("of an earlier run")
    with pytest.raises(ExportError, match=message):
        export_model(tiny, earlier, ExportRequest(to=to, tiles=(40,)))
    assert earlier.read_text() == "of an earlier run"
    assert names(tmp_path) == [earlier.name]


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("name", ["plain", pytest.param("tiny", marks=pytest.mark.slow)])
def test_torch_export_is_verified_and_loads_in_three_lines(request, tmp_path, name):
    model = request.getfixturevalue(name)
    path = tmp_path / "model.pt2"
    facts = export_model(model, path, ExportRequest(to="torch", tiles=(40,)))
    assert facts.parity.max_difference < 1e-5
    assert (facts.parity.tokens > 0) == (name == "tiny")
    enlarge = torch.export.load(path).module()
    for size in SIZES:
        low_res = torch.rand(size[0], 3, *size[1:])
        (high_res,) = enlarge(low_res)
        torch.testing.assert_close(high_res, model.network(low_res), atol=2e-6, rtol=1e-5)
    assert ExportFacts.model_validate_json(torch_export.open_graph(path)[1]) == facts


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.slow  # a minute of a C++ compiler
@pytest.mark.skipif(not torch_export.has_compiler(), reason="needs a C++ compiler")
@pytest.mark.parametrize("name", ["tiny", "plain"])
def test_aotinductor_compiles_a_package_that_runs_by_itself(request, tmp_path, name):
    model = request.getfixturevalue(name)
    facts = export_model(model, tmp_path / "model.pt2", ExportRequest(to="aotinductor", tiles=(40,)))
    assert json.loads(torch_export.open_package(tmp_path / "model.pt2")[1]) == facts.model_dump(mode="json")
    enlarge = torch._inductor.aoti_load_package(str(tmp_path / "model.pt2"))
    for size in SIZES:
        low_res = torch.rand(size[0], 3, *size[1:])
        (high_res,) = enlarge(low_res)
        torch.testing.assert_close(high_res, model.network(low_res), atol=2e-6, rtol=1e-5)


def test_aotinductor_without_a_compiler_says_so(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(torch_export, "has_compiler", lambda: False)
    with pytest.raises(ExportError, match=r"needs a C\+\+ compiler: found none"):
        export_model(plain, tmp_path / "plain.pt2", ExportRequest(to="aotinductor", tiles=(40,)))
    assert names(tmp_path) == []


def test_bicubic_is_drawn_with_its_own_numbers_at_every_size():
    network = load_model("bicubic-x3").network
    for height, width in [(1, 1), (1, 7), (2, 3), (5, 4), (32, 20)]:
        low_res = torch.rand(2, 3, height, width)
        torch.testing.assert_close(drawable(network)(low_res), network(low_res), atol=2e-6, rtol=1e-5)


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.slow
@pytest.mark.parametrize("name", ["DANv1-S", "DANv2-S"])
def test_baselines_are_exported(name, tmp_path):
    network = network_from_config(size_config(name)).eval()
    model = LoadedModel(network, describe(network, name))
    assert export_model(model, tmp_path / "model.onnx", FAST).parity.max_difference < 1e-5


def test_dcls_says_why_it_cannot_be_drawn():
    network = DCLS(DCLSConfig(width=8, groups=1, blocks=1, head_blocks=1, kernel_channels=2, code_length=8))
    with pytest.raises(ExportError, match="DCLS is none, because its estimated kernels are the weights"):
        draw(LoadedModel(network, describe(network, "dcls")))


def test_what_torch_cannot_draw_becomes_a_sentence(tiny):
    class Undrawable(torch.nn.Module):
        def forward(self, low_res):
            return low_res * float(low_res.mean())

    with pytest.raises(ExportError, match=r"2x-tiny could not be drawn by torch\.export"):
        make_onnx(LoadedModel(Undrawable(), tiny.header))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"to": "tflite"}, "the format must be one of onnx, openvino, torch, aotinductor: got 'tflite'"),
        ({"to": "torch", "precision": "int8"}, "the precision of torch must be one of float32, float16: got 'int8'"),
        ({"tiles": (0,)}, "tiles to verify must be at least 1 pixel"),
    ],
)
def test_impossible_requests_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        ExportRequest(**settings)


def test_the_name_must_fit_the_format(plain, tmp_path):
    with pytest.raises(ConfigError, match=r"a file for openvino must end in \.xml: got x\.onnx"):
        export_model(plain, tmp_path / "x.onnx", ExportRequest(to="openvino"))


def test_a_missing_library_is_named_with_its_cure():
    with pytest.raises(ExportError, match=r"needs no_such_library.*pip install '\.\[export\]'"):
        import_library("no_such_library.part")
