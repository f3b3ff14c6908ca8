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
