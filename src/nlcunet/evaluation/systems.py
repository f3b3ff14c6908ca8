"""What is measured: networks, and pictures that other programs have made."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.degradations.record import true_kernels
from nlcunet.errors import ConfigError, DataError, ImageError
from nlcunet.evaluation.enlargers import tiled_enlarger, whole_picture_enlarger
from nlcunet.evaluation.originals import find_originals, to_tensor
from nlcunet.evaluation.records import SystemFacts
from nlcunet.evaluation.sets import BenchmarkSet, Pair
from nlcunet.files.checksums import hash_file
from nlcunet.imaging.colour import grey_to_rgb
from nlcunet.imaging.files import read_header, read_picture
from nlcunet.models.blind import BlindNetwork
from nlcunet.models.kernel_conditioned import NonBlindNLCUnet
from nlcunet.models.weights import LoadedModel, find_weights, load_model


@dataclass(frozen=True, kw_only=True, eq=False)
class System:
    """Something that enlarges pictures."""

    facts: SystemFacts
    identity: str
    """Tells its results from those of others: a checksum of what it computes with."""
    enlarge: Callable[[Sequence[Pair]], Float[Tensor, "batch 3 height width"]]
    """Pairs of one original to their enlarged pictures, RGB in [0, 1], on the CPU, not clamped."""
    model: LoadedModel | None = None
    loaded_from: str = ""
    """Its name or file, to load it again."""
    estimate_kernels: Callable[[Sequence[Pair]], Float[Tensor, "batch size size"]] | None = None
    """Pairs of one original to the blur kernels that the network sees in them, where it does."""
    files: dict[tuple[str, str], Path] | None = None
    """Pictures of another program, by `BenchmarkSet.content_sha256` and the pair's name."""


def load_systems(
    models: Iterable[str], scale: int, device: torch.device, *, tile: int | None = None, with_bicubic: bool = True
) -> tuple[System, ...]:
    """Networks by embedded name or weights file, bicubic first; ``NAME=FILE`` gives one a name of its own.

    Raises:
        ConfigError: If one enlarges by another factor, or two have one name.
        WeightsError: If there is no such model.
    """
    systems = [make_system("bicubic", f"bicubic-x{scale}", device, None)] if with_bicubic else []
    for wanted in models:
        name, source = split_name(wanted)
        header = (system := make_system(name, source, device, tile)).facts
        if header.scale != scale:
            raise ConfigError(
                f"a model must enlarge by the protocol's scale {scale}: {source} enlarges by {header.scale}; "
                f"choose another model, or sets of ×{header.scale}"
            )
        systems.append(system)
    check_names(systems)
    return tuple(systems)


def check_names(systems: Sequence[System]) -> None:
    """Refuses two systems of one name.

    Raises:
        ConfigError: If there are.
    """
    names = [system.facts.name for system in systems]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"systems must have names of their own: two are called {name}; say NAME=…")


def split_name(wanted: str) -> tuple[str, str]:
    """``NAME=FILE`` as its two parts; the name is empty where there is none."""
    name, equals, source = wanted.partition("=")
    return (name.strip(), source) if equals and name.strip() and not Path(wanted).exists() else ("", wanted)


def make_system(name: str, source: str, device: torch.device, tile: int | None) -> System:
    """A network as a system."""
    model = load_model(source, device=device)
    header = model.header
    is_weightless = header.architecture == "Bicubic"
    sha256 = "" if is_weightless else hash_file(find_weights(source))
    whole = whole_picture_enlarger(model, device) if tile is None else tiled_enlarger(model, device, tile)
    network = model.network

    @torch.inference_mode()
    def estimate(pairs: Sequence[Pair]) -> Float[Tensor, "batch size size"]:
        if not isinstance(network, BlindNetwork):
            raise ConfigError(f"kernels are estimated by blind networks only: {header.architecture} has no estimator")
        return torch.cat(
            [network.forward_with_kernels(stack([pair]).to(device)).kernel.float().cpu() for pair in pairs]
        )

    def enlarge(pairs: Sequence[Pair]) -> Float[Tensor, "batch 3 height width"]:
        if not isinstance(network, NonBlindNLCUnet):
            return whole(stack(pairs))
        records = [pair.record for pair in pairs if pair.record is not None]
        if len(records) < len(pairs) or tile is not None:
            raise ConfigError(
                f"{name or header.name} must be given the true kernel of every picture, and whole pictures: "
                + ("leave --tile out" if tile is not None else f"the kernel of {pairs[0].image} is not known")
            )
        return whole(stack(pairs), true_kernels(records, network.config.kernel_size))

    return System(
        facts=SystemFacts(
            name=(name or header.name) + ("" if tile is None else f" (tiles of {tile})"),
            system_kind="network",
            scale=header.scale,
            source=Path(source).name,
            sha256=sha256,
            architecture=header.architecture,
            tile=tile,
            parameters=sum(parameter.numel() for parameter in network.parameters()),
        ),
        identity=sha256 or header.name,
        enlarge=enlarge,
        model=model,
        loaded_from=source,
        estimate_kernels=estimate if isinstance(network, BlindNetwork) else None,
    )


def stack(pairs: Sequence[Pair]) -> Float[Tensor, "batch 3 height width"]:
    """Inputs of one original as a batch, float32."""
    return torch.stack([pair.low_res for pair in pairs]).float()


def pictures_system(name: str, folder: Path, sets: Sequence[BenchmarkSet]) -> System:
    """A folder of pictures that another program made of the inputs of sets.

    Args:
        name: What the program is called.
        folder: Its pictures, named as the inputs, with or without something behind (``baby_k3_x4.png``); with several
            sets in folders of the sets' names.
        sets: Sets on disk, all of one scale.

    Raises:
        ConfigError: If a set is made on the fly.
        DataError: If a picture is missing, there twice, unreadable or of a wrong size.
    """
    files: dict[tuple[str, str], Path] = {}
    contents: dict[Path, str] = {}
    checksum = hashlib.sha256()
    for one in sets:
        if one.folder is None:
            raise ConfigError(
                f"pictures of other programs need inputs on disk: {one.facts.name} is made on the fly; make the set "
                "with nlcunet bench make"
            )
        contents[one.folder] = one.content_sha256
        inside = next((f for f in (folder / one.place, folder / one.facts.name) if f.is_dir()), folder)
        for stem, path in find_pictures(inside, one).items():
            files[one.content_sha256, stem] = path
            checksum.update(f"{one.content_sha256} {stem} {hash_file(path)}\n".encode())

    def read(pairs: Sequence[Pair]) -> Float[Tensor, "batch 3 height width"]:
        sources = [files[contents[pair.file.parent.parent], pair.stem] for pair in pairs if pair.file is not None]
        pictures = [to_tensor(read_picture(source).pixels) for source in sources]
        return torch.cat([grey_to_rgb(one) if one.shape[1] == 1 else one for one in pictures])

    facts = SystemFacts(name=name, system_kind="pictures", scale=sets[0].protocol.scale, source=folder.resolve().name)
    return System(facts=facts, identity=checksum.hexdigest(), enlarge=read, files=files)


def find_pictures(folder: Path, measured: BenchmarkSet) -> dict[str, Path]:
    """The pictures that belong to the pairs of a set, by the pairs' names; their sizes are looked at.

    Raises:
        DataError: If one is missing, there twice, unreadable or of a wrong size.
    """
    pairs = {stem: image for keys in measured.images.values() for image, _, stem in keys}
    found: dict[str, Path] = {}
    for path in find_originals(folder):
        stem = longest_stem(path.stem, pairs)
        if stem is None:
            continue
        other = found.get(stem)
        if other is not None and (path.stem == stem) == (other.stem == stem):
            raise DataError(f"each input must have one picture: {other.name} and {path.name} in {folder}; delete one")
        if other is None or path.stem == stem:
            found[stem] = path
    if missing := [stem for stem in pairs if stem not in found]:
        few = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
        raise DataError(
            f"each input must have its picture: {len(missing)} of {len(pairs)} are missing in {folder} ({few}); "
            f"enlarge every file of {measured.folder}/LR and keep its name, as {missing[0]}.png or {missing[0]}_out.png"
        )
    for stem, path in found.items():
        height, width = measured.sizes[pairs[stem]]
        try:
            header = read_header(path)
        except ImageError as error:
            raise DataError(f"every picture must be readable: {error}; make it again") from error
        if (header.height, header.width) != (height, width):
            raise DataError(
                f"a picture must be {measured.protocol.scale} times the size of its input, {height} × {width} "
                f"(rows × columns): {path} has {header.height} × {header.width}; enlarge by "
                f"{measured.protocol.scale}, and do not crop"
            )
    return found


def longest_stem(name: str, stems: Iterable[str]) -> str | None:
    """The input that a picture is named after: the longest name that it begins with, not cut within a number."""
    fitting = [stem for stem in stems if name.startswith(stem) and not name[len(stem) :][:1].isdigit()]
    return max(fitting, key=len, default=None)
