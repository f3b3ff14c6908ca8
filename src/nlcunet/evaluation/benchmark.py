"""Benchmark runs: systems × sets → one record for each pair."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.errors import ConfigError, DataError
from nlcunet.evaluation.cache import ResultCache, cache_key
from nlcunet.evaluation.measures import Measure
from nlcunet.evaluation.output_files import is_kept, keep_kernels, keep_output, output_path
from nlcunet.evaluation.records import PairRecord, Records
from nlcunet.evaluation.sets import PAIR_PIXELS, BenchmarkSet, LoadedImage, Pair, PairKey
from nlcunet.evaluation.systems import System


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a run is made, beside what is measured."""

    measures: Sequence[Measure]
    measures_identity: str = ""
    """Tells measures that look through other weights apart; empty where they need none."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    cache: Path | None = None
    """Folder of results that were measured before; none measures all."""
    outputs: Path | None = None
    """Folder for enlarged pictures: ``SYSTEM/SET/baby_k3.png``; none keeps none."""
    kernels: Path | None = None
    """Folder for estimated kernels, likewise."""
    on_pairs_done: Callable[[System, int], None] = lambda _system, _count: None
    """Called with the system and how many of its pairs are done now."""


def run_benchmark(sets: Sequence[BenchmarkSet], systems: Sequence[System], options: RunOptions) -> Records:
    """Measures every system on every pair of every set.

    Pairs of an original are enlarged together, always in the same groups: so a run that goes on after an interruption
    gives the same numbers, to the last bit, as one that was not interrupted.

    Raises:
        ConfigError: If a system returns another size than it should, or two sets would keep their files in one folder.
        DataError: If the cache cannot be written.
        ImageWriteError: If an output cannot be written.
    """
    check_places(sets, options)
    check_needs(sets, options)
    pairs: list[PairRecord] = []
    for measured in sets:
        # Two systems that compute the same share their results.
        keys_of = [
            cache_key(f"{one.identity}{options.measures_identity}", one.facts, measured, options.device)
            for one in systems
        ]
        shared = {key: ResultCache(options.cache, key) for key in keys_of}
        for image, keys in measured.images.items():
            loaded: LoadedImage | None = None
            for system, cache in zip(systems, (shared[key] for key in keys_of), strict=True):
                for chunk in chunks(keys, measured.sizes[image]):
                    known = find_known(chunk, system, measured, cache, options)
                    if known is None:
                        loaded = loaded or measured.load(image)
                        wanted = {index for _, index, _ in chunk}
                        chosen = [pair for pair in loaded.pairs if pair.kernel_index in wanted]
                        known = measure_pairs(system, measured, loaded.truth, chosen, options)
                        cache.add(known)
                    pairs += [place(one, key, system, measured, options) for one, key in zip(known, chunk, strict=True)]
                    options.on_pairs_done(system, len(chunk))
    return Records(
        sets=tuple(one.facts for one in sets), systems=tuple(one.facts for one in systems), pairs=tuple(pairs)
    )


def check_places(sets: Sequence[BenchmarkSet], options: RunOptions) -> None:
    """Refuses sets that cannot be told apart."""
    keys = [one.facts.key for one in sets]
    places = [one.place for one in sets] if options.outputs or options.kernels else []
    for names, what in ((keys, "names (bench make --name)"), (places, "folder names where files are kept")):
        if twice := [name for name in names if names.count(name) > 1]:
            raise ConfigError(f"sets must have {what} of their own: two are called {twice[0]}; run them apart")


def check_needs(sets: Sequence[BenchmarkSet], options: RunOptions) -> None:
    """Refuses measures that need to know how inputs were made, where others made them."""
    for one in sets:
        for measure in options.measures:
            if "record" in measure.needs and one.protocol.name == "div2krk":
                raise ConfigError(
                    f"the measure {measure.name} needs to know the degradation: the set {one.facts.name} does not tell "
                    "it; leave the measure out"
                )


def chunks(keys: Sequence[PairKey], size: tuple[int, int]) -> Iterator[Sequence[PairKey]]:
    """Pairs of one original in the groups that are enlarged together."""
    at_once = max(1, PAIR_PIXELS // (size[0] * size[1]))
    for first in range(0, len(keys), at_once):
        yield keys[first : first + at_once]


def find_known(
    chunk: Sequence[PairKey], system: System, measured: BenchmarkSet, cache: ResultCache, options: RunOptions
) -> list[PairRecord] | None:
    """Results of a group that were measured before; none if one is missing, or a file that is to be kept."""
    names = [measure.name for measure in options.measures]
    found = [cache.find(image, index, names) for image, index, _ in chunk]
    if not all(is_kept(options.outputs, options.kernels, system, measured, stem) for _, _, stem in chunk):
        return None
    known = [one for one in found if one is not None]
    return known if len(known) == len(chunk) else None


def measure_pairs(
    system: System,
    measured: BenchmarkSet,
    truth: Float[Tensor, "3 height width"],
    pairs: Sequence[Pair],
    options: RunOptions,
) -> list[PairRecord]:
    """Some pairs of one original through one system."""
    start = time.perf_counter()
    outputs = system.enlarge(pairs)
    seconds = (time.perf_counter() - start) / len(pairs)
    if outputs.shape[-2:] != truth.shape[-2:]:
        raise ConfigError(
            f"a model must enlarge by the protocol's scale {measured.protocol.scale}: {system.facts.name} made "
            f"{tuple(outputs.shape[-2:])} of {tuple(pairs[0].low_res.shape[-2:])}; choose a model of that scale"
        )
    if not outputs.isfinite().all():
        raise DataError(
            f"a model must give finite numbers: {system.facts.name} gave infinities or NaN for {pairs[0].image}; its "
            "weights are damaged or its training went astray"
        )
    keep_kernels(options.kernels, system, measured, pairs)
    low_res, records = torch.stack([pair.low_res for pair in pairs]), [pair.record for pair in pairs]
    truths = truth.expand(len(pairs), -1, -1, -1)
    scores = {one.name: one.score(outputs, truths, low_res, records).tolist() for one in options.measures}
    results = []
    for index, (pair, output) in enumerate(zip(pairs, outputs, strict=True)):
        keep_output(options.outputs, system, measured, pair, output)
        results.append(
            PairRecord(
                set=measured.facts.key,
                system=system.facts.name,
                image=pair.image,
                kernel_index=pair.kernel_index,
                degradation=pair.record.to_dict() if pair.record is not None else {},
                condition=measured.protocol.condition(pair.kernel_index),
                low_res_sha256=pair.low_res_sha256,
                measures={name: values[index] for name, values in scores.items()},
                seconds=seconds,
            )
        )
    return results


def place(record: PairRecord, key: PairKey, system: System, measured: BenchmarkSet, options: RunOptions) -> PairRecord:
    """A result with the names of this run and the files that belong to it."""
    output = output_path(options.outputs, system, measured, key[2])
    high_res, low_res = measured.files.get(key[2], (None, None))
    return replace(
        record,
        set=measured.facts.key,
        system=system.facts.name,
        measures={one.name: record.measures[one.name] for one in options.measures},
        high_res_file=str(high_res.absolute()) if high_res else "",
        low_res_file=str(low_res.absolute()) if low_res else "",
        output_file=str(output.absolute()) if output else "",
    )
