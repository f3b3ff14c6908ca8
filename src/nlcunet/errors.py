"""Every error that nlcunet raises on purpose. Imports nothing, so that it costs nothing.

::

    NlcunetError
    ├── ConfigError              a setting, recipe or option that cannot be
    ├── ImageError               a picture that cannot be read or written
    │   ├── UnreadableImageError no picture, or of a kind that this libvips cannot decode
    │   ├── TruncatedImageError  the file ends early or is damaged
    │   ├── AnimatedImageError   more than one frame or page
    │   ├── ImageTooLargeError   more pixels than the limit allows
    │   └── ImageWriteError      the result could not be written; nothing was left behind
    ├── WeightsError             a weights file that is missing, damaged or of another network
    ├── DataError                a folder of photographs that cannot be trained or measured on
    ├── DeviceError              a device that is not there, or that ran out of memory for good
    ├── ExportError              an export that differs, cannot be drawn, or lacks a library; nothing was written
    └── TrainingError            training cannot go on (non-finite loss, damaged state)

Messages say what must hold, what was got, and what to do. The command line catches exactly this tree.
"""


class NlcunetError(Exception):
    """Base of all errors that nlcunet raises on purpose."""


class ConfigError(NlcunetError, ValueError):
    """A setting, recipe or option is not possible."""


class ImageError(NlcunetError):
    """A picture cannot be read or written."""


class UnreadableImageError(ImageError):
    """The bytes are no picture, or of a format that the libvips at hand cannot decode."""


class TruncatedImageError(ImageError):
    """The file ends early or is damaged."""


class AnimatedImageError(ImageError):
    """The file holds several frames or pages."""


class ImageTooLargeError(ImageError):
    """The picture has more pixels than the limit allows."""


class ImageWriteError(ImageError):
    """The result could not be written; the target was left as it was."""


class WeightsError(NlcunetError):
    """A weights file is missing, damaged, or belongs to another network."""


class DataError(NlcunetError):
    """A folder of photographs cannot be used for training or measuring."""


class DeviceError(NlcunetError):
    """A device is not there, or has too little memory even for the smallest tile."""


class ExportError(NlcunetError):
    """A network cannot be exported, its export differs from it, or a library for it is missing."""


class TrainingError(NlcunetError):
    """Training cannot go on."""


_PIP_INSTALL, _WHERE = "pip install '.[{}]'", "in the folder of nlcunet's source code"


def install_extra(*names: str) -> str:
    """How to install extras, for error messages: the one place to change once the package can be had by its name."""
    return f"{_PIP_INSTALL.format(','.join(names))} {_WHERE}"


def shell_install_extra(*names: str) -> str:
    """The same as a line for a shell."""
    return f"{_PIP_INSTALL.format(','.join(names))}  # {_WHERE}"


def did_you_mean(word: str, known: tuple[str, ...] | list[str]) -> str:
    """The end of an error about an unknown word: ``, did you mean upscale?``; nothing where no known one is near."""
    from difflib import get_close_matches  # most runs end without it

    by_lower = {name.lower(): name for name in known}
    nearest = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.5)
    return f", did you mean {by_lower[nearest[0]]}?" if nearest else ""


OUT_OF_MEMORY_PHRASES = (
    "out of memory",  # CUDA, MPS, HIP, libvips
    "cannot allocate memory",  # the C library, whoever calls it
    "can't allocate memory",  # torch's CPU allocator on Linux and macOS
    "not enough memory",  # torch's CPU allocator on Windows
    "alloc_failed",  # cuBLAS and cuDNN, CUBLAS_STATUS_ALLOC_FAILED
    "bad_alloc",  # C++
    "bad allocation",  # C++ on Windows
    "failed to allocate memory",  # ONNX Runtime
    "invalid buffer size",  # MPS: one tensor larger than the device takes
    "could not create a memory",  # oneDNN
)
"""What those say who tell of a lack of memory in words alone."""

OUT_OF_MEMORY_ENDINGS = (
    "could not create a primitive",  # oneDNN, which says no more; what it does not know are "primitive descriptors"
    "failed to map segment from shared object",  # the loader of libraries; other reasons follow behind a colon
)
"""The same at the end of a message."""


def says_out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python, of the system or of a library says that memory ran out."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).strip().lower()
    is_told = any(phrase in text for phrase in OUT_OF_MEMORY_PHRASES) or text.endswith(OUT_OF_MEMORY_ENDINGS)
    return isinstance(error, RuntimeError | OSError | ImportError) and is_told


def explain_out_of_memory(error: BaseException) -> str:
    """What to tell of such an error."""
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return (
        f"the memory must hold the program and what it works on: it ran out ({said}); close other programs, raise the "
        "limit if there is one (ulimit -v, that of a container), or ask for a smaller tile and fewer threads"
    )
