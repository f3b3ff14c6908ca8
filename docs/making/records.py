"""Measures the embedded weights on the benchmark sets; the tables of the pages are made of what it writes.

Run: ``python docs/making/records.py SETS``, where the folder SETS holds Set5, Set14 and BSD100; half an hour of one
core. ``--only NAME`` measures one file of ``docs/records``. Then ``make numbers`` writes the tables. What has been
measured with the same weights is taken from the cache.
"""

import argparse
import gzip
import json
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from nlcunet.evaluation.benchmark import RunOptions, run_benchmark
from nlcunet.evaluation.hairlines import find_hairlines, load_enlargers
from nlcunet.evaluation.measures import find_measures
from nlcunet.evaluation.originals import find_originals
from nlcunet.evaluation.protocols import find_protocol
from nlcunet.evaluation.records import Records, join_records, to_plain
from nlcunet.evaluation.sets import set_on_the_fly
from nlcunet.evaluation.systems import load_systems
from nlcunet.experiments.study.analysis import analyse
from nlcunet.experiments.study.assembly import Design
from nlcunet.experiments.study.hairlines import make_hairline_study
from nlcunet.experiments.study.observer import RULE, observe
from nlcunet.experiments.study.report import make_json
from nlcunet.files.atomic import write_file_atomically
from nlcunet.files.cache import cache_folder
from nlcunet.models.weights import embedded_models, find_header
from nlcunet.runtime import choose_device

RECORDS = Path(__file__).parents[1] / "records"
FIDELITY = ("psnr_y", "ssim_y")
ALL_OFFLINE = ("psnr_y", "ssim_y", "psnr_rgb", "consistency", "effnet_lite0", "niqe")


@dataclass(frozen=True)
class Job:
    """One file of records."""

    models: tuple[str, ...]
    scale: int
    protocol: str
    sets: tuple[str, ...]
    measures: tuple[str, ...] = FIDELITY


JOBS = {
    "gaussian8-x2": Job(("2x-NLCUnet-S",), 2, "gaussian8", ("Set5", "Set14", "BSD100")),
    "gaussian8-x3": Job(("3x-NLCUnet-S",), 3, "gaussian8", ("Set5", "Set14", "BSD100")),
    "gaussian8-x4": Job(("4x-NLCUnet-S",), 4, "gaussian8", ("Set5", "Set14", "BSD100")),
    "anisotropic-x4": Job(("4x-NLCUnet-S", "4x-NLCUnet-S-Anisotropic"), 4, "anisotropic-standin", ("Set14", "BSD100")),
    "photo-x4": Job(("4x-NLCUnet-S-Photo",), 4, "photo", ("BSD100",), ("psnr_y",)),
    "photo-gan-x4": Job(
        ("4x-NLCUnet-S-Photo", "4x-NLCUnet-S-Photo-GAN"), 4, "photo", ("Set14",), ("psnr_y", "effnet_lite0")
    ),
    "measures-x4": Job(("4x-NLCUnet-S",), 4, "gaussian8", ("Set5",), ALL_OFFLINE),
}
HAIRLINES = ("hairlines-x4",)
OBSERVED = ("hairline-study-x4",)


def main() -> None:
    """Measure what is asked for, and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", type=Path)
    parser.add_argument("--only", action="append", choices=[*JOBS, *HAIRLINES, *OBSERVED])
    options = parser.parse_args()
    for name in options.only or [*JOBS, *HAIRLINES, *OBSERVED]:
        if name in HAIRLINES:
            measure_hairlines(name)
        elif name in OBSERVED:
            observe_hairlines(name)
        else:
            write(name, measure(JOBS[name], options.sets))
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()


def measure(job: Job, folder: Path) -> Records:
    """Bicubic and the job's models on its sets."""
    options = RunOptions(measures=find_measures(job.measures), cache=cache_folder("bench"))
    systems = load_systems(job.models, job.scale, options.device)
    protocol = find_protocol(job.protocol, job.scale)
    sets = [set_on_the_fly(find_originals(folder / name), protocol, name) for name in job.sets]
    return run_benchmark(sets, systems, options)


def write(name: str, found: Records) -> None:
    """Keep records without times and places, packed; the same records give the same bytes."""
    pairs = tuple(
        replace(pair, seconds=None, degradation={}, high_res_file="", low_res_file="", output_file="")
        for pair in found.pairs
    )
    records = join_records([*found.sets, *found.systems, *pairs])
    lines = [to_plain(one) for one in (*records.sets, *records.systems, *records.pairs)]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    note_date(name)
    write_file_atomically(RECORDS / f"{name}.jsonl.gz", gzip.compress(text.encode(), mtime=0))


def measure_hairlines(name: str) -> None:
    """Thin lines, all blurs of Gaussian8, all embedded weights of a scale."""
    scale = int(name[-1])
    models, weights = load_enlargers(models_of(scale), scale, choose_device("cpu"))
    found = find_hairlines(models, weights, scale)
    note_date(name)
    write_file_atomically(RECORDS / f"{name}.json", (found.model_dump_json() + "\n").encode())


def observe_hairlines(name: str) -> None:
    """The study of hairlines, answered by the model observer."""
    scale = int(name[-1])
    models, weights = load_enlargers(models_of(scale), scale, choose_device("cpu"))
    with TemporaryDirectory() as place:
        folder = Path(place) / "study"
        design = Design(title="Hairlines", crops_per_image=1, shows_original=True)
        study = make_hairline_study(folder, models, scale, design).study
        found = analyse(study, observe(folder, study), keeps_all=True, observer=RULE)
    note_date(name)
    content = {"weights": weights, **json.loads(make_json(found, 0))}
    write_file_atomically(RECORDS / f"{name}.json", (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode())


def models_of(scale: int) -> list[str]:
    """All embedded weights of a scale."""
    return [model for model in embedded_models() if find_header(model).scale == scale]


def note_date(name: str) -> None:
    """Remember when a file of records was measured."""
    path = RECORDS / "dates.json"
    dates = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    dates[name] = datetime.now(UTC).date().isoformat()
    write_file_atomically(path, (json.dumps(dates, indent=1, sort_keys=True) + "\n").encode())


if __name__ == "__main__":
    main()
