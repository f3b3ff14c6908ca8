"""What was done to a picture in words, for tables, reports and sheets."""

from nlcunet.degradations.record import DegradationRecord
from nlcunet.degradations.steps import Blur, Denoise, Jpeg, Mosaic, Noise, Resize, Sharpen, Step, WebP


def name_parts(record: DegradationRecord) -> tuple[str, ...]:
    """What was done to a picture beside bicubic downsampling, each with its level: ("noise 15", "JPEG 60").

    Of a chain of steps every step with its strength: ("blur 1.50", "bicubic", "JPEG 80").
    """
    if record.steps:
        return tuple(words_of_step(step) for step in record.steps)
    parts = []
    match record.kernel:
        case "isotropic":
            parts.append(f"blur {record.sigma_px:.2f}")
        case "anisotropic":
            parts.append(f"blur {record.sigma_x_px:.2f}×{record.sigma_y_px:.2f}")
        case "motion":
            parts.append(f"motion {record.length_px:g}")
        case "defocus":
            parts.append(f"defocus {record.radius_px:g}")
    if record.downsampling == "plain":
        parts.append("plain")
    if record.noise_std_8bit > 0:
        parts.append(f"noise {record.noise_std_8bit:g}")
    if record.jpeg_quality is not None:
        parts.append(f"JPEG {record.jpeg_quality}")
    return tuple(parts)


def words_of_step(step: Step) -> str:
    """One step with its strength. Lengths are in pixels of the picture as it is then, noise in steps of 255."""
    match step:
        case Blur():
            return _blur_words(step)
        case Resize(size=size, kernel=kernel):
            return kernel if size == 1 else f"{kernel} to {size:.3g}×"
        case Noise():
            kinds = [
                "grey" if step.is_grey else "",
                "photon" if step.grows_with_brightness else "",
                f"over {step.correlation_px:.2g} px" if step.correlation_px > 0 else "",
            ]
            return " ".join([f"noise {step.std_8bit:.3g}", *(kind for kind in kinds if kind)])
        case Mosaic():
            return "Bayer"
        case Denoise(filter="median", radius_px=radius):
            return f"median {2 * radius + 1}"
        case Denoise(strength_8bit=strength):
            return f"bilateral {strength:.3g}"
        case Sharpen(amount=amount, radius_px=radius):
            return f"sharpen {amount:.2g} at {radius:.2g} px"
        case Jpeg(quality=quality, chroma=chroma):
            return f"JPEG {quality}" + (" 4:4:4" if chroma == "4:4:4" else "")
        case WebP(quality=quality):
            return f"WebP {quality}"


def _blur_words(blur: Blur) -> str:
    match blur.kernel:
        case "isotropic":
            return f"blur {blur.sigma_x_px:.2f}"
        case "anisotropic":
            return f"blur {blur.sigma_x_px:.2f}×{blur.sigma_y_px:.2f}"
        case "motion":
            return f"motion {blur.length_px:.3g}"
        case "defocus":
            return f"defocus {blur.radius_px:.3g}"
        case "ringing":
            return f"ringing {blur.cutoff_rad:.2f}"
        case "none":
            return "no blur"
