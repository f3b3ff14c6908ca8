import re

import pytest
from huggingface_hub import ModelCard

from nlcunet.degradations.presets import PRESETS
from nlcunet.export.facts import Parity
from nlcunet.hub.card import CardFacts, make_card
from nlcunet.hub.openmodeldb import PublishedFile, make_record, to_user_id
from nlcunet.hub.words import tell_degradation, tell_limits
from nlcunet.models.weights import WeightsHeader

PARITY = Parity(tiles=7, max_difference=8e-7, mean_difference=4.8e-8, psnr_db=143.1, tokens=12804, moved_tokens=3)
FACTS = CardFacts(place="user/2x-Simple", is_repo=True, files={"model.safetensors": "0" * 64, "model.onnx": "1" * 64})


def header_with(**facts):
    return WeightsHeader(name="4x-Some", architecture="NLCUnet", config={"scale": 4}, scale=4, **facts)


def test_the_hubs_own_reader_understands_the_card(simple):
    card = ModelCard(make_card(simple.header, FACTS))
    data = card.data
    assert (data.license, data.library_name, data.pipeline_tag) == ("apache-2.0", "nlcunet", "image-to-image")
    assert data.datasets == ["user/free-photographs"]  # the other source is none on the hub
    assert data.metrics == ["psnr", "ssim"]
    assert {"super-resolution", "nlcunet", "arxiv:2307.12014"} <= set(data.tags)
    assert "onnx" not in data.tags
    assert data.model_name == "2x-Simple"
    results = [
        (each.dataset_name, each.dataset_type, each.metric_name, each.metric_value) for each in data.eval_results
    ]
    assert results == [
        ("Set5 gaussian8 x2", "set5", "PSNR on Y (dB)", 33.456),
        ("Set5 gaussian8 x2", "set5", "SSIM on Y", 0.91234),
        ("Set14 gaussian8 x2", "set14", "PSNR on Y (dB)", 30.5),
    ]


def test_the_card_tells_all_that_the_header_knows(simple):
    card = make_card(simple.header, FACTS)
    for fact in (
        "blur with a round Gaussian of 21×21 pixels, sigma 0.2 to 2 pixels, then bicubic reduction to 1/2",
        "| own photographs | 12 | CC-BY-4.0 |",
        "700 steps, 2,800 patches, 0.5 hours by the clock; made 2026-11-26",
        "| Set5 gaussian8 x2 | 33.46 | 0.9123 |",
        "| Set14 gaussian8 x2 | 30.50 |  |",
        "have learned blur, not noise",
        f"| `model.safetensors` | `{'0' * 64}` |",
        "nlcunet upscale photo.jpg -m hf://user/2x-Simple",
        'nlcunet.from_pretrained("user/2x-Simple")',
    ):
        assert fact in card, fact
    assert "onnxruntime" not in card
    assert not re.search(r"\n\n\n", card)


def test_the_onnx_file_is_told_with_its_distance_from_pytorch(simple):
    facts = CardFacts(place="2x-Simple", is_repo=False, files=FACTS.files, parity=PARITY, images=("a.png", "b.png"))
    card = make_card(simple.header, facts)
    assert "on 7 tiles of a photograph: 143.1 dB, at most 8e-07, mean 4.8e-08 of full scale; 3 of 12,804 tokens" in card
    assert 'session.run(None, {"low_res": tiles})  # 1, 3, 128, 96; not clamped' in card
    assert "| ![bicubic](a.png) | ![this model](b.png) |" in card
    assert "nlcunet upscale photo.jpg -m 2x-Simple/model.safetensors" in card
    assert "onnx" in ModelCard(card).data.tags


def test_a_header_that_says_little_makes_a_card_that_says_little():
    card = make_card(header_with(licence="My-Own-1.0"), FACTS)
    data = ModelCard(card).data
    assert (data.license, data.license_name) == ("other", "My-Own-1.0")
    assert (data.eval_results, data.metrics, data.datasets) == (None, None, None)
    assert "Trained to undo: the file does not say what." in card
    assert "## Scores" not in card


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_preset_is_told_in_words(name, scale):
    header = header_with(degradation=f"{name} x{scale}")
    told = tell_degradation(header)
    if name == "photo":
        assert "noise of up to 25/255, JPEG of quality 30 and above, sharpening; 25% of cases" in told
        assert any("grain is smoothed" in each for each in tell_limits(header))
        return
    assert f"bicubic reduction to 1/{scale}" in told
    assert ("Gaussian of" in told) == (name != "bicubic")
    assert ("JPEG of quality 30 to 95" in told) == ("Gaussian noise of up to 25/255" in told) == (name == "diverse")
    assert any("not noise" in each or "nor noise" in each for each in tell_limits(header)) == (name != "diverse")


def test_words_of_ones_own_are_kept():
    assert tell_degradation(header_with(degradation="scans of prints")) == "Trained to undo: scans of prints."
    assert "x9" in tell_degradation(header_with(degradation="isotropic x9"))


def test_gan_weights_are_told_apart():
    limits = " ".join(tell_limits(header_with(fidelity_weights="4x-NLCUnet-S")))
    assert "Texture is invented" in limits
    assert "4x-NLCUnet-S" in limits
    assert "Texture is invented" not in " ".join(tell_limits(header_with()))


def test_the_record_has_what_openmodeldb_asks_for(simple, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights")
    web = "https://huggingface.co/user/2x-Simple/resolve/main"
    files = [PublishedFile(path, "pytorch", "safetensors")]
    record = make_record(simple.header, author="Some User", files=files, web=web, images=("low.png", "high.png"))
    assert {"name", "author", "license", "tags", "description", "date", "architecture", "size", "scale"} <= set(record)
    assert re.fullmatch(r"\d+x-[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*", record["name"])  # how OpenModelDB names models
    assert record["author"] == "some-user"
    assert (record["scale"], record["inputChannels"], record["outputChannels"]) == (2, 3, 3)
    assert record["tags"] == ["deblur", "general-upscaler", "photo", "restoration"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", record["date"])
    assert record["size"] == ["8nf"]
    assert record["resources"] == [
        {
            "platform": "pytorch",
            "type": "safetensors",
            "size": 7,
            "sha256": "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c",
            "urls": [f"{web}/model.safetensors"],
        }
    ]
    assert record["images"] == [{"type": "paired", "LR": f"{web}/low.png", "SR": f"{web}/high.png"}]
    assert (record["trainingIterations"], record["datasetSize"], record["trainingOTF"]) == (700, 1212, True)


def test_a_record_without_an_address_leaves_room_for_it(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights")
    files = [PublishedFile(path, "pytorch", "safetensors")]
    record = make_record(header_with(degradation="diverse x4"), author="me", files=files, web=None, images=("a", "b"))
    assert record["resources"][0]["urls"] == record["images"] == []
    assert {"denoise", "jpeg", "compression-removal", "deblur"} <= set(record["tags"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", record["date"])
    assert "trainingIterations" not in record  # OpenModelDB takes no zeros


@pytest.mark.parametrize(("name", "user"), [("The Authors", "the-authors"), ("a__b", "a-b"), ("-x-", "x")])
def test_users_are_written_as_openmodeldb_writes_them(name, user):
    assert to_user_id(name) == user
