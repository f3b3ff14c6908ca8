"""What the shell offers as values of flags; nothing heavy is loaded for it. Files are offered by the shell itself."""

from collections.abc import Callable

from nlcunet.files.paths import embedded_names

Completion = Callable[[str], list[str]]
"""Gives the words that begin with what was typed."""


def words(*known: str) -> Completion:
    """A completion by these words."""
    return lambda incomplete: [word for word in known if word.startswith(incomplete)]


MODELS = words("auto", *embedded_names("weights", ".safetensors"))
RECIPES = words(*embedded_names("recipes", ".yaml"))
EXPERIMENTS = words(*embedded_names("experiments/variants/files", ".yaml"))
DEVICES = words("auto", "cpu", "gpu", "cuda", "mps")
ENGINES = words("auto", "torch", "onnx", "openvino")
QUALITIES = words("fast", "balanced", "best")
PRECISIONS = words("auto", "float32", "bfloat16", "float16", "int8")
