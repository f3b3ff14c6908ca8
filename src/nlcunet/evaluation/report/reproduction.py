"""What is needed to get the same numbers: commands, checksums, versions."""

import re
import shlex
from collections.abc import Sequence

from nlcunet.evaluation.measures import DEFAULT_MEASURES
from nlcunet.evaluation.records import SetFacts, SystemFacts
from nlcunet.evaluation.report.contents import SetResults, degradation_of, is_bicubic
from nlcunet.evaluation.report.inputs import RecordsFile
from nlcunet.evaluation.report.markup import ABSENT, Cell, escape, make_heads, make_table, name_of
from nlcunet.version import __version__

NUM_SIGMAS = 8
"""Of the whole protocol gaussian8."""


def make_reproduction(
    sets: Sequence[SetResults], systems: Sequence[SystemFacts], files: Sequence[RecordsFile]
) -> list[str]:
    """Commands, then tables of sets, systems and files with their checksums."""
    facts = [one.facts for one in sets]
    return [
        "<p>With the originals in folders named like the sets, and the same weights, these commands measure again:</p>",
        f"<pre><code>{escape(chr(10).join(_commands(sets, systems)))}</code></pre>",
        _table_of_sets(facts),
        _table_of_systems(systems),
        _table_of_files(files),
        f"<p>Made by nlcunet {escape(__version__)}. The same records give the same page, byte for byte.</p>",
    ]


def _commands(sets: Sequence[SetResults], systems: Sequence[SystemFacts]) -> list[str]:
    """Shell commands, as far as the records tell how things were made."""
    lines, records = [], []
    for scale in dict.fromkeys(one.facts.scale for one in sets):
        here = [one for one in sets if one.facts.scale == scale]
        folders = [_folder(one.facts) for one in here]
        for one, folder in zip(here, folders, strict=True):
            made = ["nlcunet", "bench", "make", "--images", one.facts.name, "--protocol", one.facts.protocol]
            lines.append(shlex.join([*made, "--scale", str(scale), *_choices(one), "-o", folder]))
        of_scale = [one for one in systems if one.scale == scale]
        networks = [one for one in of_scale if one.system_kind == "network" and not is_bicubic(one)]
        pictures = [one for one in of_scale if one.system_kind == "pictures"]
        run = ["nlcunet", "bench", "run", *folders]
        for network in networks:
            run += [
                "--model",
                network.name if network.source in {"", network.name} else f"{network.name}={network.source}",
            ]
        for tile in dict.fromkeys(one.tile for one in networks if one.tile is not None):
            run += ["--tile", str(tile)]
        for other in pictures:
            run += ["--pictures", f"{other.name}={other.source}"]
        measures = list(dict.fromkeys(measure for one in here for measure in one.measures))
        if tuple(measures) != DEFAULT_MEASURES:
            run += ["--measures", ",".join(measures)]
        file = f"x{scale}.jsonl"
        lines.append(shlex.join([*run, "--keep-outputs", "outputs", "-o", file]))
        records.append(file)
    lines.append(shlex.join(["nlcunet", "bench", "report", *records, "-o", "report.html"]))
    return lines


def _choices(results: SetResults) -> list[str]:
    """What was chosen of a protocol: some of its sigmas, or another seed than everybody's."""
    choices = []
    if results.facts.protocol == "gaussian8":
        done = [degradation_of(results.results[results.names[0]][pair]) for pair in results.pairs]
        sigmas = sorted({one.sigma_px for one in done if one is not None})
        if sigmas and len(sigmas) < NUM_SIGMAS:
            choices += ["--sigmas", ",".join(f"{sigma:.2f}" for sigma in sigmas)]
    seed = re.search(r", seed (\d+)", " ".join(results.facts.description[:1]))
    return [*choices, "--seed", seed[1]] if seed else choices


def _folder(one: SetFacts) -> str:
    return f"{one.name}-{one.protocol}-x{one.scale}".replace(" ", "_").replace("/", "_")


def _table_of_sets(sets: Sequence[SetFacts]) -> str:
    numbers = ("version of the protocol", "images", "pairs")
    heads = [*make_heads(("set",), numbers), *make_heads(("SHA-256 of the manifest",))]
    rows = [
        [
            Cell(markup=name_of(one.key), value=one.key),
            Cell(markup=str(one.version), value=one.version),
            Cell(markup=f"{one.images:,}", value=one.images),
            Cell(markup=f"{one.pairs:,}", value=one.pairs),
            Cell(markup=_hash(one.manifest_sha256, "made on the fly"), value=one.manifest_sha256),
        ]
        for one in sets
    ]
    return make_table("Sets", heads, rows)


def _table_of_systems(systems: Sequence[SystemFacts]) -> str:
    words = ("system", "kind", "architecture", "source", "tiles", "SHA-256 of the weights", "costs measured on")
    rows = [
        [
            Cell(markup=name_of(one.name), value=one.name),
            Cell(markup=escape(one.system_kind), value=one.system_kind),
            Cell(markup=escape(one.architecture) or ABSENT, value=one.architecture),
            Cell(markup=name_of(one.source) if one.source else ABSENT, value=one.source),
            Cell(markup="none" if one.tile is None else f"{one.tile} px", value=str(one.tile or "")),
            Cell(markup=_hash(one.sha256, ABSENT), value=one.sha256),
            Cell(markup=escape(one.machine) or ABSENT, value=one.machine),
        ]
        for one in systems
    ]
    return make_table("Systems", make_heads(words), rows)


def _table_of_files(files: Sequence[RecordsFile]) -> str:
    rows = [
        [Cell(markup=name_of(one.name), value=one.name), Cell(markup=_hash(one.sha256, ABSENT), value=one.sha256)]
        for one in files
    ]
    return make_table("Files that this page was made of", make_heads(("records", "SHA-256 of the file")), rows)


def _hash(sha256: str, otherwise: str) -> str:
    return f'<code class="hash">{escape(sha256)}</code>' if sha256 else otherwise
