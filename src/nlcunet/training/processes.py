"""One process or many: what each of them is, and the few things they do together.

With ``accelerate launch -m nlcunet train …`` every process (one per GPU, or several on a CPU) computes its share of
each batch; `accelerate <https://huggingface.co/docs/accelerate>`_ sets up devices and data-parallel gradients.
Weights, averages and optimisers are the same everywhere, because gradients are: only the first process writes.

Sharding the state over processes (FSDP) is left out on purpose: with both its moments and average the largest network
needs 0.3 GB.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nlcunet.errors import ConfigError, install_extra
from nlcunet.runtime import choose_device


@dataclass(frozen=True)
class Processes:
    """This process among those of the run."""

    device: torch.device
    """Where this process computes."""
    rank: int = 0
    count: int = 1
    wrap: Callable[[nn.Module], nn.Module] = lambda module: module
    """Makes a network average its gradients over all processes."""

    @property
    def is_first(self) -> bool:
        """Whether this process validates, writes and talks."""
        return self.rank == 0

    def share(self, batch: int) -> int:
        """How many of a step's patches are this process's.

        Raises:
            ConfigError: the batch does not divide by the number of processes.
        """
        if batch % self.count:
            raise ConfigError(f"the batch must divide by the number of processes: got {batch} for {self.count}")
        return batch // self.count

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a tensor over all processes."""
        if self.count == 1:
            return value
        total = value.clone()
        torch.distributed.all_reduce(total)
        return total / self.count

    def any(self, flag: bool) -> bool:
        """Whether the flag is up in some process, the same answer everywhere."""
        if self.count == 1:
            return flag
        flags = torch.tensor(float(flag), device=self.device)
        torch.distributed.all_reduce(flags, op=torch.distributed.ReduceOp.MAX)
        return bool(flags.item())

    def wait(self) -> None:
        """Until all processes have come here."""
        if self.count > 1:
            torch.distributed.barrier()

    def end(self) -> None:
        """Leave the group."""
        if self.count > 1:
            torch.distributed.destroy_process_group()


def start_processes(device: str = "auto") -> Processes:
    """Find out whether a launcher started several processes, and join them.

    Args:
        device: of a single process, as for `nlcunet.runtime.choose_device`; many processes take one CUDA device each,
            or with ``"cpu"`` share the CPU.

    Raises:
        ConfigError: several processes were started, but accelerate is not installed.
        DeviceError: the device is not there.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Processes(choose_device(device))
    try:
        from accelerate import Accelerator
        from accelerate.utils import DistributedDataParallelKwargs
    except ImportError as error:
        raise ConfigError(f"several processes need accelerate: install it with {install_extra('train')}") from error
    # Buffers (hash rotations, spectral norms) are equal everywhere by construction.
    keywords = DistributedDataParallelKwargs(broadcast_buffers=False)
    use_cpu = device == "cpu" or not torch.cuda.is_available()
    accelerator = Accelerator(cpu=use_cpu, kwargs_handlers=[keywords])

    def wrap(module: nn.Module) -> nn.Module:
        wrapped: Any = accelerator.prepare_model(module)
        return wrapped  # type: ignore[no-any-return]

    return Processes(accelerator.device, accelerator.process_index, accelerator.num_processes, wrap)
