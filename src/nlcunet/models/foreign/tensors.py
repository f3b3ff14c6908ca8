"""The tensors of other people's files, read without running anything that is in them.

safetensors files hold nothing but tensors. All other endings (``.pth``, ``.pt``, ``.ckpt``) are pickles, which can run
any code when they are opened. ``torch.load(weights_only=True)`` has an interpreter of its own for them, which knows
tensors and plain containers and refuses the rest. spandrel's own loader is not used: it turns ``weights_only`` off in
favour of a restricted ``pickle.Unpickler``, and gives TorchScript archives to ``torch.jit.load``, which neither checks.
"""

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from nlcunet.errors import WeightsError

PICKLES = (".pth", ".pt", ".ckpt", ".tar", ".bin")
"""Endings of files that ``torch.save`` writes; ``.tar`` is that of ``.pth.tar``."""
_REFUSED = re.compile(r"GLOBAL ([\w.]+)")
"""What the interpreter says of a function or class that it does not know."""
_REMEDY = "ask its makers for a .safetensors file"


def read_tensors(path: Path) -> Mapping[str, Any]:
    """What a file holds: tensors by name, in pickles perhaps within further dicts, which spandrel untangles.

    Raises:
        WeightsError: the file is damaged, of another kind, or asks for more than tensors.
    """
    ending = path.suffix.lower()
    if ending == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{path} is no readable safetensors file ({error}); fetch or copy it again") from error
    if ending not in PICKLES:
        raise WeightsError(f"a file of weights must end in .safetensors, {', '.join(PICKLES)}: got {path}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what follows as an error
            held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsError(_explain(path, error)) from error
    if not isinstance(held, dict):
        raise WeightsError(f"{path} must hold tensors by name: it holds a {type(held).__name__}; {_REMEDY}")
    return held


def _explain(path: Path, error: Exception) -> str:
    """Why a pickle was not opened."""
    text = str(error)
    if found := _REFUSED.search(text):
        return (
            f"{path} must hold tensors only: it asks for {found[1]}, so opening it could run code, and it was not "
            f"opened; {_REMEDY}"
        )
    if "TorchScript" in text:
        return f"{path} must hold tensors only: it is a TorchScript archive, which holds code; {_REMEDY}"
    return (
        f"{path} must be a whole file of tensors that torch.save has written: it cannot be read as one; fetch it "
        f"again, or {_REMEDY}"
    )
