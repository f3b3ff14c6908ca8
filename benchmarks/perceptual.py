"""How far apart the perceptual backbones see a blurred and a sharp picture, layer by layer, and what they cost.

    python benchmarks/perceptual.py [--vgg19 FILE] [--threads 1]

The pair: the example photograph and its bicubic and NLCUnet-S enlargements, in patches of 256×256. Without weights of
VGG19 its time is that of random ones (the same), and its distances are left out.
"""

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor

import nlcunet
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.models.backbones.efficientnet_lite import STAGES
from nlcunet.models.backbones.pretrained import load_efficientnet_lite0, load_vgg19
from nlcunet.models.backbones.vgg import LAYERS, VGG19
from nlcunet.training.perceptual import EFFICIENTNET_LITE0_LAYER_WEIGHTS, VGG19_LAYER_WEIGHTS, PerceptualLoss

EXAMPLES = Path(__file__).parent.parent / "examples"
PATCH_PX = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vgg19", type=Path, help="torchvision's vgg19-dcbb9e9d.pth")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    print_distances(load_efficientnet_lite0(), tuple(STAGES))
    print_time("efficientnet-lite0", PerceptualLoss(load_efficientnet_lite0(), EFFICIENTNET_LITE0_LAYER_WEIGHTS))
    if arguments.vgg19 is not None:
        print_distances(load_vgg19(arguments.vgg19), LAYERS)
    print_time("vgg19", PerceptualLoss(VGG19(), VGG19_LAYER_WEIGHTS))


@torch.no_grad()
def print_distances(backbone: torch.nn.Module, layers: tuple[str, ...]) -> None:
    """Mean absolute distance of features, per layer."""
    sharp = read("anhinga_original.webp")
    low = read("anhinga.png")
    enlarged = {
        "bicubic": resize_bicubic(low, sharp.shape[1], sharp.shape[2]).clamp(0.0, 1.0),
        "NLCUnet-S": nlcunet.load(device="cpu").upscale(low),
    }
    features = {name: backbone(patches(picture), layers) for name, picture in {"sharp": sharp, **enlarged}.items()}
    for layer in layers:
        distances = {name: (features[name][layer] - features["sharp"][layer]).abs().mean() for name in enlarged}
        print(layer, ", ".join(f"{name} {distance:.3f}" for name, distance in distances.items()))


def print_time(name: str, loss: PerceptualLoss) -> None:
    """Best of three: forward and backward for 4 pairs of 256×256, channels last."""
    loss = loss.to(memory_format=torch.channels_last)
    sharp, restored = torch.rand(2, 4, 3, PATCH_PX, PATCH_PX)
    sharp, restored = (x.contiguous(memory_format=torch.channels_last) for x in (sharp, restored))
    for precision, enabled in (("float32", False), ("bfloat16", True)):
        seconds = []
        for _ in range(3):
            picture = restored.detach().requires_grad_()
            started = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                value = loss(picture, sharp)
            value.backward()
            seconds.append(time.perf_counter() - started)
        print(f"{name}, 4×3×256×256, {precision}, forward and backward: {1000 * min(seconds):.0f} ms")


def read(name: str) -> Tensor:
    """A picture of the examples as (3, h, w) in [0, 1]."""
    pixels = nlcunet.read_picture(EXAMPLES / name).pixels
    return torch.from_numpy(pixels).permute(2, 0, 1)[:3].float() / 255


def patches(picture: Tensor) -> Tensor:
    """All whole patches of a picture."""
    grid = picture.unfold(1, PATCH_PX, PATCH_PX).unfold(2, PATCH_PX, PATCH_PX)
    return grid.permute(1, 2, 0, 3, 4).reshape(-1, 3, PATCH_PX, PATCH_PX)


if __name__ == "__main__":
    main()
