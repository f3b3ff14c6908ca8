"""The model card of published weights: ``README.md`` as the Hugging Face Hub reads it, made from the weights' header.

Form: https://huggingface.co/docs/hub/model-cards. The YAML at its top is written by the hub's own library.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from nlcunet.errors import shell_install_extra
from nlcunet.export.facts import Parity
from nlcunet.hub.words import find_measure, tell_degradation, tell_limits, tell_purpose, tell_training
from nlcunet.models.fetching.address import SCHEME, WEIGHTS_FILE
from nlcunet.models.fetching.library import import_hub
from nlcunet.models.weights import WeightsHeader

PAPER = "https://arxiv.org/abs/2307.12014"
PAPER_TAG = "arxiv:2307.12014"
TASK = "image-to-image"
HUB_LICENCES = frozenset(
    {"apache-2.0", "bsd-3-clause", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-sa-4.0", "cc0-1.0", "gpl-3.0"}
    | {"mit", "unlicense", "wtfpl"}
)
"""Licences that the hub knows by these names; any other is ``other`` with its name beside it."""
_HUB_DATASET = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)

_WITH_NLCUNET = """\
```sh
{install}
nlcunet upscale photo.jpg -m {model}
```

```python
import nlcunet

upscaler = nlcunet.from_pretrained("{place}")
picture = upscaler.upscale("photo.jpg")  # also arrays, tensors and Pillow images
```"""

_WITH_ONNX = """

Without nlcunet, in ONNX Runtime:

```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
tiles = np.random.rand(1, 3, 64, 48).astype(np.float32)  # RGB in [0, 1]: batch, channel, height, width
(enlarged,) = session.run(None, {{"low_res": tiles}})  # 1, 3, {height}, {width}; not clamped
```"""


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What a card tells beside the header."""

    place: str
    """Name of the repository (``user/name``), or of the folder if there is none."""
    is_repo: bool
    """Which of the two."""
    files: Mapping[str, str]
    """Name → SHA-256 of weights and exports."""
    parity: Parity | None = None
    """How far the ONNX file is from PyTorch, if there is one."""
    images: tuple[str, str] | None = None
    """Paths of a picture enlarged by bicubic interpolation, and by the network."""


def make_card(header: WeightsHeader, facts: CardFacts) -> str:
    """The text of ``README.md``."""
    sections = [
        f"---\n{front_matter(header, has_onnx=facts.parity is not None)}\n---",
        f"# {header.name}",
        f"{tell_purpose(header)} {_tell_network(header)}",
        *_pictures(facts),
        "## What it undoes",
        tell_degradation(header),
        "## Use",
        _usage(header, facts),
        *_scores(header),
        "## Training",
        *_training(header),
        "## Limits",
        "\n".join(f"- {limit}" for limit in tell_limits(header)),
        "## Files",
        _files(facts),
        "## Licence",
        f"{header.licence}. Paper: [{PAPER_TAG}]({PAPER}).",
    ]
    return "\n\n".join(sections) + "\n"


def front_matter(header: WeightsHeader, *, has_onnx: bool) -> str:
    """The YAML block at the top of a card, without its fences."""
    hub = import_hub()
    licence = header.licence.lower()
    results = [
        hub.EvalResult(
            task_type=TASK,
            task_name=f"Blind super-resolution ×{header.scale}",
            dataset_type=score.partition(" ")[0].lower(),
            dataset_name=score,
            metric_type=find_measure(name).kind,
            metric_name=find_measure(name).title,
            metric_value=value,
        )
        for score, values in header.scores.items()
        for name, value in values.items()
    ]
    tags = ["super-resolution", "image-super-resolution", "blind-super-resolution", "upscaling", "pytorch"]
    card = hub.ModelCardData(
        license=licence if licence in HUB_LICENCES else "other",
        license_name=None if licence in HUB_LICENCES else header.licence,
        library_name="nlcunet",
        pipeline_tag=TASK,
        tags=[*tags, header.architecture.lower(), PAPER_TAG, *(["onnx"] if has_onnx else [])],
        # only what the hub itself holds: names of anything else would lead nowhere
        datasets=[source.name for source in header.data if _HUB_DATASET.fullmatch(source.name)] or None,
        metrics=sorted({result.metric_type for result in results}) or None,
        model_name=header.name,
        eval_results=results or None,
    )
    return str(card.to_yaml())


def _tell_network(header: WeightsHeader) -> str:
    return f"{header.architecture} with {header.parameters:,} parameters; RGB in, RGB out."


def _pictures(facts: CardFacts) -> list[str]:
    if facts.images is None:
        return []
    bicubic, enlarged = facts.images
    table = f"| bicubic | this model |\n|---|---|\n| ![bicubic]({bicubic}) | ![this model]({enlarged}) |"
    origin = "*Sunning anhinga*, Budgie Desktop Developers, CC0 1.0: blurred and reduced to a quarter, then enlarged."
    return [table, origin]


def _usage(header: WeightsHeader, facts: CardFacts) -> str:
    model = f"{SCHEME}{facts.place}" if facts.is_repo else f"{facts.place}/{WEIGHTS_FILE}"
    told = _WITH_NLCUNET.format(install=shell_install_extra("hub"), model=model, place=facts.place)
    if facts.parity is not None:
        told += _WITH_ONNX.format(height=64 * header.scale, width=48 * header.scale)
    return told


def _scores(header: WeightsHeader) -> list[str]:
    if not header.scores:
        return []
    names = list(dict.fromkeys(name for values in header.scores.values() for name in values))
    measures = [find_measure(name) for name in names]
    lines = ["| set | " + " | ".join(each.title for each in measures) + " |", "|---" * (len(names) + 1) + "|"]
    for score, values in header.scores.items():
        cells = [
            f"{values[name]:.{measure.decimals}f}" if name in values else ""
            for name, measure in zip(names, measures, strict=True)
        ]
        lines.append(f"| {score} | " + " | ".join(cells) + " |")
    return ["## Scores", "\n".join(lines)]


def _training(header: WeightsHeader) -> list[str]:
    told = [tell_training(header), f"made {header.date}" if header.date else ""]
    paragraphs = ["; ".join(fact for fact in told if fact) + "."] if any(told) else []
    if header.data:
        lines = ["| data | pictures | licences |", "|---|---|---|"]
        lines += [f"| {source.name} | {source.pictures:,} | {source.licence} |" for source in header.data]
        paragraphs.append("\n".join(lines))
    config = json.dumps(header.config, ensure_ascii=False)
    return [*paragraphs, f"Configuration: `{config}`"]


def _files(facts: CardFacts) -> str:
    lines = ["| file | SHA-256 |", "|---|---|"]
    lines += [f"| `{name}` | `{sha256}` |" for name, sha256 in facts.files.items()]
    told = ["\n".join(lines)]
    if facts.parity is not None:
        told.append(_tell_parity(facts.parity))
    told.append(
        "`sha256sum --check SHA256SUMS` proves all files but this page; nlcunet proves the weights at every load."
    )
    return "\n\n".join(told)


def _tell_parity(parity: Parity) -> str:
    moved = f"; {parity.moved_tokens:,} of {parity.tokens:,} tokens in other buckets" if parity.tokens else ""
    return (
        f"`model.onnx` against PyTorch in float32 on {parity.tiles} tiles of a photograph: {parity.psnr_db:.1f} dB, at "
        f"most {parity.max_difference:.2g}, mean {parity.mean_difference:.2g} of full scale{moved}."
    )
