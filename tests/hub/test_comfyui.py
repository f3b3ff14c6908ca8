"""The node, called as ComfyUI calls it, with stand-ins for those of ComfyUI's modules that it uses."""

import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from nlcunet.errors import WeightsError
from nlcunet.hub import comfyui
from nlcunet.hub.comfyui import NLCUnetUpscale
from nlcunet.inference.loading import load
from nlcunet.models.weights import embedded_models, save_weights

FOLDER = Path(__file__).parents[2] / "examples" / "comfyui" / "nlcunet"


class Stopped(Exception):  # noqa: N818 - ComfyUI's own is no error either
    """What ComfyUI raises when its user presses stop."""


@pytest.fixture
def comfy(monkeypatch, tmp_path):
    """ComfyUI's modules, in a process with a CPU and a folder of models."""
    state = SimpleNamespace(bars=[], stopped_after=None, device=torch.device("cpu"), models=tmp_path / "upscale_models")
    state.models.mkdir()

    class ProgressBar:
        def __init__(self, _total):
            self.steps = []
            state.bars.append(self)

        def update_absolute(self, value, total=None):
            self.steps.append((value, total))

    def throw_exception_if_processing_interrupted():
        done = sum(len(bar.steps) for bar in state.bars)
        if state.stopped_after is not None and done >= state.stopped_after:
            raise Stopped

    modules = {
        "comfy": {},
        "comfy.utils": {"ProgressBar": ProgressBar},
        "comfy.model_management": {
            "get_torch_device": lambda: state.device,
            "throw_exception_if_processing_interrupted": throw_exception_if_processing_interrupted,
        },
        "folder_paths": {
            "get_filename_list": lambda _kind: sorted(path.name for path in state.models.iterdir()),
            "get_full_path": lambda _kind, name: str(state.models / name) if (state.models / name).exists() else None,
        },
    }
    for name, contents in modules.items():
        module = ModuleType(name)
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, name, module)
    return state


def run(node, image, **widgets):
    """A run of the node, by the names that it gives to ComfyUI."""
    settings = {
        name: options[1]["default"] for name, options in node.INPUT_TYPES()["required"].items() if len(options) > 1
    }
    result = getattr(node, node.FUNCTION)(image=image, **{**settings, **widgets})
    assert len(result) == len(node.RETURN_TYPES)
    return result[0]


def test_a_batch_comes_out_enlarged_with_channels_last(comfy):
    image = torch.rand(2, 12, 10, 3)
    enlarged = run(NLCUnetUpscale(), image, model="bicubic-x3")
    assert (enlarged.shape, enlarged.dtype) == ((2, 36, 30, 3), torch.float32)
    assert enlarged.is_contiguous()
    assert 0 <= enlarged.min() <= enlarged.max() <= 1
    want = load("bicubic-x3", device="cpu").upscale(image.movedim(-1, 1)).movedim(1, -1)
    torch.testing.assert_close(enlarged, want, rtol=0, atol=0)


def test_it_runs_in_the_mode_that_comfyui_runs_nodes_in(comfy, tiny):
    save_weights(comfy.models / "my.safetensors", tiny.network, tiny.header, half=False)
    image = torch.rand(1, 24, 24, 3)
    with torch.inference_mode():
        enlarged = run(NLCUnetUpscale(), image, model="my.safetensors")
        want = tiny.network(image.movedim(-1, 1)).clamp(0, 1).movedim(1, -1)
    torch.testing.assert_close(enlarged, want, atol=1e-6, rtol=0)


def test_alpha_is_enlarged_too_and_values_beyond_are_clamped(comfy):
    image = torch.rand(1, 8, 8, 4) * 3 - 1
    enlarged = run(NLCUnetUpscale(), image, model="bicubic-x2")
    assert enlarged.shape == (1, 16, 16, 4)
    assert 0 <= enlarged.min() <= enlarged.max() <= 1


def test_any_scale_and_tile_can_be_asked_for(comfy):
    enlarged = run(NLCUnetUpscale(), torch.rand(1, 20, 10, 3), model="bicubic-x2", scale=1.5, tile=8)
    assert enlarged.shape == (1, 30, 15, 3)
    assert len(comfy.bars[0].steps) > 4


def test_the_bar_counts_the_tiles_of_all_pictures(comfy):
    run(NLCUnetUpscale(), torch.rand(2, 20, 20, 3), model="bicubic-x2", tile=16)
    (bar,) = comfy.bars
    total = bar.steps[-1][1]
    assert total == len(bar.steps) > 2
    assert sorted(value for value, _ in bar.steps) == list(range(1, total + 1))


def test_the_stop_button_ends_it(comfy):
    comfy.stopped_after = 2
    with pytest.raises(Stopped):
        run(NLCUnetUpscale(), torch.rand(1, 64, 64, 3), model="bicubic-x2", tile=16)
    assert sum(len(bar.steps) for bar in comfy.bars) < 16


def test_weights_in_comfyuis_folder_are_offered_and_other_files_are_not(comfy, tiny):
    save_weights(comfy.models / "my.safetensors", tiny.network, tiny.header)
    (comfy.models / "other.pth").write_bytes(b"a pickle")
    (comfy.models / "damaged.safetensors").write_bytes(b"nothing")
    node = NLCUnetUpscale()
    offered = node.INPUT_TYPES()["required"]["model"][0]
    assert offered == [*embedded_models(), "my.safetensors"]
    assert run(node, torch.rand(1, 8, 8, 3), model="my.safetensors").shape == (1, 16, 16, 3)
    with pytest.raises(WeightsError, match="must be one of"):
        run(node, torch.rand(1, 8, 8, 3), model="gone.safetensors")


def test_the_upscaler_is_kept_until_settings_change(comfy, monkeypatch):
    loaded = []
    monkeypatch.setattr(comfyui, "load", lambda *a, **k: loaded.append((a, k)) or load(*a, **k))
    node = NLCUnetUpscale()
    for quality in ("balanced", "balanced", "fast"):
        run(node, torch.rand(1, 4, 4, 3), model="bicubic-x2", quality=quality)
    assert [settings["quality"] for _, settings in loaded] == ["balanced", "fast"]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("cpu", "cpu"), ("cuda:1", "cuda:1"), ("mps", "mps"), ("xpu", "auto"), ("privateuseone:0", "auto")],
)
def test_the_device_is_comfyuis_if_the_upscaler_knows_it(comfy, theirs, ours):
    comfy.device = torch.device(theirs)
    assert comfyui.choose_device() == ours


def test_outside_of_comfyui_the_node_works_as_well():
    assert comfyui.choose_device() == "auto"
    assert run(NLCUnetUpscale(), torch.rand(1, 4, 4, 3), model="bicubic-x2").shape == (1, 8, 8, 3)


def test_an_error_inside_of_comfyui_is_not_taken_for_its_absence(monkeypatch, tmp_path):
    (tmp_path / "folder_paths.py").write_text("import no_such_module_anywhere\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
        comfyui.list_models()


def test_the_folder_for_custom_nodes_names_every_node(comfy):
    module = runpy.run_path(str(FOLDER / "__init__.py"))
    assert module["NODE_CLASS_MAPPINGS"] == {"NLCUnetUpscale": NLCUnetUpscale}
    assert module["NODE_DISPLAY_NAME_MAPPINGS"].keys() == module["NODE_CLASS_MAPPINGS"].keys()
    for node in module["NODE_CLASS_MAPPINGS"].values():
        assert callable(getattr(node, node.FUNCTION))
        assert {"RETURN_TYPES", "CATEGORY", "INPUT_TYPES"} <= set(dir(node))
