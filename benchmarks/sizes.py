"""What every named network costs: parameters, FLOPs and time of one forward pass.

Run: ``python benchmarks/sizes.py [--scale N] [--side PX] [--threads N]``. FLOPs (two per multiply-add) are those of
convolutions and matrix products; Fourier transforms, below 1 % of DCLS, are not counted.
"""

import argparse

import torch
from torch import nn

from machine import describe_machine, interleaved_seconds
from nlcunet.evaluation.cost import count_operations
from nlcunet.models.registry import SIZES, network_from_config, size_config


def count_gflop(network: nn.Module, low_res: torch.Tensor) -> float:
    """FLOPs of one forward pass, in 10⁹."""
    return count_operations(lambda: network(low_res)) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--side", type=int, default=64, help="height and width of the input")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    low_res = torch.rand(1, 3, options.side, options.side).contiguous(memory_format=torch.channels_last)
    networks = {
        name: network_from_config(size_config(name, options.scale)).eval().to(memory_format=torch.channels_last)
        for name in SIZES
    }
    with torch.inference_mode():
        runs = {name: lambda network=network: network(low_res) for name, network in networks.items()}
        seconds = interleaved_seconds(runs)
        print(describe_machine(), "\n")
        print(f"| ×{options.scale}, {options.side}×{options.side} | parameters | GFLOP | ms |")
        print("|---|---|---|---|")
        for name, network in networks.items():
            parameters = sum(parameter.numel() for parameter in network.parameters())
            gflop = count_gflop(network, low_res)
            print(f"| {name} | {parameters:,} | {gflop:.2f} | {1e3 * seconds[name]:.0f} |")


if __name__ == "__main__":
    main()
