"""Which files become which: inputs of all kinds to jobs, before anything is computed.

Rules: a result never replaces an input; two results never have one name; the tree of a folder is kept.
"""

import glob
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from nlcunet.errors import ConfigError
from nlcunet.files.paths import expand_home
from nlcunet.imaging.formats import FORMATS, PICTURE_SUFFIXES, PICTURE_SUFFIXES_IN_WORDS, writable_formats
from nlcunet.imaging.listing import visible_entries
from nlcunet.inference.sizes import SizeRequest

PIPE = "-"
"""Stands for standard input among the inputs, and for standard output as the output."""


STEM = "{stem}"
"""In patterns for names: that of the input without its ending."""


@dataclass(frozen=True, kw_only=True)
class FileJob:
    """One picture to enlarge.

    Attributes:
        source: file to read; nothing for standard input.
        target: file to write; nothing for standard output.
        file_format: format to write; nothing for that of the source, or PNG if that cannot be written.
    """

    source: Path | None
    target: Path | None
    file_format: str | None = None


@dataclass(frozen=True)
class JobPlan:
    """What there is to do.

    Attributes:
        jobs: in order.
        left_out: inputs that are results of other inputs.
        passed_over: files in the folders that are no pictures by their endings; hidden ones are not counted.
    """

    jobs: tuple[FileJob, ...]
    left_out: tuple[Path, ...] = ()
    passed_over: tuple[Path, ...] = ()

    def passed_over_in_words(self) -> str | None:
        """How many files were passed over, with the first of their names; nothing if there were none."""
        if not self.passed_over:
            return None
        names = [path.name for path in self.passed_over[:3]] + ["…"] * (len(self.passed_over) > 3)
        files = "1 file was" if len(self.passed_over) == 1 else f"{len(self.passed_over):,} files were"
        return f"{files} passed over, no pictures by their endings: {', '.join(names)}"


@dataclass(frozen=True)
class FoundPicture:
    """An input file.

    Attributes:
        path: where it is.
        relative: its place below the folder that was named; just its name if the file itself was.
        was_named: whether the file itself was named.
        is_picture: whether it is one by its ending, or was named; others are found only to be counted.
    """

    path: Path
    relative: Path
    was_named: bool
    is_picture: bool = True

    @property
    def place(self) -> Path:
        """Where it is, the same however it was named; two links to one file are two places."""
        return self.path.parent.resolve() / self.path.name


def find_files(name: str, *, recursive: bool) -> Iterator[FoundPicture]:
    """The files behind one input, hidden ones aside; one that is not there is kept, to be told with its reason."""
    path = expand_home(name)
    if _is(path.is_dir):
        for file in visible_entries(path, recursive=recursive):
            if _is_file_or_broken_link(file):
                is_picture = file.suffix.lower() in PICTURE_SUFFIXES
                yield FoundPicture(file, file.relative_to(path), was_named=False, is_picture=is_picture)
    elif glob.has_magic(name) and not _is(path.exists) and not path.is_symlink():
        for match in sorted(glob.glob(str(path), recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute patterns
            if _is_file_or_broken_link(Path(match)):
                yield FoundPicture(Path(match), Path(Path(match).name), was_named=True)
    else:
        yield FoundPicture(path, Path(path.name), was_named=True)


def find_pictures(name: str, *, recursive: bool) -> Iterator[FoundPicture]:
    """The pictures among the files behind one input."""
    return (file for file in find_files(name, recursive=recursive) if file.is_picture)


def _is(look: Callable[[], bool]) -> bool:
    """What a look at the disk says; no, where it is not possible, as for a name that is too long."""
    try:
        return look()
    except OSError:
        return False


def _is_file_or_broken_link(path: Path) -> bool:
    """Whether there is something that could be read, or that should be told about."""
    return _is(path.is_file) or (path.is_symlink() and not _is(path.exists))


def plan_jobs(
    inputs: Iterable[str],
    output: str | None,
    *,
    recursive: bool = False,
    file_format: str | None = None,
    suffix: str | None = None,
    size_suffix: str = "",
    pattern: str | None = None,
    overwrite: bool = False,
    find: Callable[[str], Iterator[FoundPicture]] | None = None,
) -> JobPlan:
    """The jobs for these inputs, in a stable order.

    Args:
        inputs: files, folders, patterns that the shell did not expand, or ``-`` for standard input.
        output: a folder, a file (for one input), or ``-`` for standard output; beside the inputs if missing.
        recursive: search folders within folders, and keep their tree below ``output``.
        file_format: format of the results, by name or ending; by default that of each input.
        suffix: put behind the name of every result, before its ending.
        size_suffix: the suffix where none is given and the result lies beside its input.
        pattern: name of every result before its ending, as ``fill_pattern`` gives it, instead of a suffix.
        overwrite: whether results will replace files that are there.
        find: what finds the pictures behind an input, elsewhere than on the disks of this machine.

    Raises:
        ConfigError: there is nothing to do, results would replace inputs or each other, or the output does not fit.
    """
    names = list(inputs)
    if not names:
        raise ConfigError("there must be an input: name pictures, folders or - for a pipe")
    chosen = None if file_format is None else _format_name(file_format)
    if PIPE in names:
        return JobPlan((_pipe_job(names, output, chosen),))
    find = find or partial(find_files, recursive=recursive)
    files = [file for name in names for file in find(name)]
    files = list({file.place: file for file in reversed(files)}.values())[::-1]
    found, passed_over = (
        [file for file in files if file.is_picture],
        [file.path for file in files if not file.is_picture],
    )
    if not found:
        raise ConfigError(
            f"the inputs must hold pictures ({PICTURE_SUFFIXES_IN_WORDS}): found none in {', '.join(names)}"
            + (f" among {len(passed_over)} files" if passed_over else "")
            + ("" if recursive else "; add -r to search folders within folders")
        )
    if output == PIPE:
        if len(found) > 1:
            raise ConfigError(f"standard output takes one picture: got {len(found)} inputs; name a folder instead")
        return JobPlan((FileJob(source=found[0].path, target=None, file_format=chosen),))
    if output is not None and _is_file_target(output, found, chosen):
        jobs = [FileJob(source=found[0].path, target=Path(output), file_format=chosen)]
    else:
        folder = None if output is None else Path(output)
        jobs = [
            _job_for(file, folder, chosen, pattern=pattern, suffix=suffix, size_suffix=size_suffix) for file in found
        ]
        jobs = _tell_apart(jobs)
    return replace(_without_results(jobs, found, overwrite=overwrite), passed_over=tuple(passed_over))


def suffix_for(request: SizeRequest, network_scale: int) -> str:
    """What marks an enlarged file: ``_x4``, ``_x2.5``, ``_1920w``, ``_1080h``, ``_1920x1080``, ``_4000long``."""
    if request.width is not None and request.height is not None:
        return f"_{request.width}x{request.height}"
    if request.width is not None:
        return f"_{request.width}w"
    if request.height is not None:
        return f"_{request.height}h"
    if request.long_edge is not None:
        return f"_{request.long_edge}long"
    return f"_x{network_scale if request.scale is None else request.scale:g}"


def fill_pattern(pattern: str, request: SizeRequest, network_scale: int) -> str:
    """A pattern for the names of results with all filled in but ``{stem}``, the name of each input.

    Args:
        pattern: with ``{stem}``, and if wanted ``{scale}`` (``4``) or ``{size}`` (``x4``, ``3000w``).
        request: the size of the results.
        network_scale: the scale where no size is asked for.

    Raises:
        ConfigError: it has no ``{stem}``, or fields that are not known, or names folders.
    """
    values = {"stem": STEM, "size": suffix_for(request, network_scale).removeprefix("_")}
    if request.is_default or request.scale is not None:
        values["scale"] = f"{request.scale or network_scale:g}"
    try:
        filled = pattern.format_map(values)
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        fields = ", ".join(f"{{{name}}}" for name in values)
        raise ConfigError(
            f"--name must be a name with {fields} in it: got {pattern!r}, which cannot be filled"
        ) from error
    if STEM not in filled or "/" in filled or "\\" in filled:
        raise ConfigError(
            f"--name must hold {STEM}, the name of each input, and no folder: got {pattern!r}; folders go into -o"
        )
    return filled


def _format_name(name: str) -> str:
    lowered = name.lower().removeprefix(".")
    for file_format in FORMATS.values():
        if (lowered == file_format.name or f".{lowered}" in file_format.suffixes) and (
            file_format.name in writable_formats()
        ):
            return file_format.name
    raise ConfigError(f"format must be one of {', '.join(writable_formats())}: got {name!r}")


def _format_of_suffix(suffix: str) -> str | None:
    """The format that can be written under this ending, if there is one."""
    lowered = suffix.lower()
    return next((name for name in writable_formats() if lowered in FORMATS[name].suffixes), None)


def _pipe_job(names: list[str], output: str | None, file_format: str | None) -> FileJob:
    if len(names) > 1:
        raise ConfigError(f"- (standard input) must be the only input: got {len(names)} inputs")
    if output is None or output == PIPE:
        return FileJob(source=None, target=None, file_format=file_format)
    target = Path(output)
    if _is(target.is_dir):
        raise ConfigError(f"a picture from standard input has no name: got the folder {output}; name a file with -o")
    _check_target_format(target, file_format)
    return FileJob(source=None, target=target, file_format=file_format)


def _is_file_target(output: str, found: list[FoundPicture], file_format: str | None) -> bool:
    """Whether ``-o`` names the file to write, and not a folder."""
    target = Path(output)
    if output.endswith(("/", "\\")) or _is(target.is_dir) or not target.suffix:
        return False
    if len(found) > 1 or not found[0].was_named:
        if target.suffix.lower() in PICTURE_SUFFIXES or _is(target.is_file):
            raise ConfigError(f"the output of several pictures must be a folder: got the file name {output}")
        return False
    _check_target_format(target, file_format)
    return True


def _check_target_format(target: Path, file_format: str | None) -> None:
    by_name = _format_of_suffix(target.suffix)
    if by_name is None and file_format is None:
        endings = ", ".join(FORMATS[name].suffixes[0] for name in writable_formats())
        raise ConfigError(f"the output must end in one of {endings}: got {target.name}; or name a folder or a --format")
    if by_name is not None and file_format not in {None, by_name}:
        raise ConfigError(f"--format and the name of the output must agree: got {file_format} and {target.name}")


def _job_for(
    file: FoundPicture,
    folder: Path | None,
    file_format: str | None,
    *,
    pattern: str | None,
    suffix: str | None,
    size_suffix: str,
) -> FileJob:
    """Where one result goes: below ``folder`` in the tree it came from, or beside its input."""
    target = file.path if folder is None else folder / file.relative
    is_beside = target.parent.resolve() == file.path.parent.resolve()
    mark = suffix if suffix is not None else size_suffix if is_beside else ""
    if file_format is not None:
        ending = FORMATS[file_format].suffixes[0]
        # an ending that already says so is kept: photo.JPEG stays photo.JPEG
        ending = target.suffix if _format_of_suffix(target.suffix) == file_format else ending
    else:
        ending = target.suffix if _format_of_suffix(target.suffix) else ".png"
    name = f"{target.stem}{mark}" if pattern is None else pattern.replace(STEM, target.stem)
    return FileJob(source=file.path, target=target.with_name(f"{name}{ending}"), file_format=file_format)


def _key(path: Path) -> str:
    """The same for two paths that some disk takes for one (macOS and Windows ignore case)."""
    return os.path.realpath(path).casefold()  # Path.resolve stumbles over links in a circle


def _tell_apart(jobs: list[FileJob]) -> list[FileJob]:
    """Results that would share a name keep the ending of their input in it: ``a.png.webp`` and ``a.jpg.webp``."""
    uses = Counter(_key(job.target) for job in jobs if job.target is not None)
    apart = []
    for job in jobs:
        if job.target is not None and job.source is not None and uses[_key(job.target)] > 1:
            marked = job.target.stem.removeprefix(job.source.stem)
            job = replace(job, target=job.target.with_name(f"{job.source.name}{marked}{job.target.suffix}"))  # noqa: PLW2901
        apart.append(job)
    uses = Counter(_key(job.target) for job in apart if job.target is not None)
    for job in apart:
        if job.target is not None and uses[_key(job.target)] > 1:
            same = [str(other.source) for other in apart if other.target and _key(other.target) == _key(job.target)]
            raise ConfigError(
                f"every result needs a name of its own: {' and '.join(same)} would all become {job.target}; "
                "give them folders of their own, or name their common folder with -r"
            )
    return apart


def _without_results(jobs: list[FileJob], found: list[FoundPicture], *, overwrite: bool) -> JobPlan:
    """Leave out inputs that are results of other inputs, as an earlier run leaves them; refuse to replace an input."""
    sources = {_key(file.path): file for file in found}
    makers = {_key(job.target): job for job in jobs if job.target is not None}
    for key, job in makers.items():
        if job.source is not None and key == _key(job.source):
            raise ConfigError(f"a result must not replace its input: got {job.source} for both; change -o or --suffix")
        if overwrite and key in sources and sources[key].was_named:
            raise ConfigError(
                f"a result must not replace an input: {job.source} would become {job.target}; leave one of them out"
            )
    kept = tuple(job for job in jobs if job.source is None or _key(job.source) not in makers)
    return JobPlan(kept, tuple(sources[key].path for key in makers if key in sources))
