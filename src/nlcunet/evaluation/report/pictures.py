"""The sections of pictures: where systems differ, where they fail, where they depart from the input."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nlcunet.evaluation.report.contents import SetResults
from nlcunet.evaluation.report.failures import (
    WORST,
    find_departures,
    find_failures,
    make_sentence,
    make_table_of_failures,
    with_pictures,
)
from nlcunet.evaluation.report.gallery import (
    Broken,
    Shown,
    WantedPlace,
    count_kept,
    find_disagreements,
    show,
    take_turns,
)
from nlcunet.evaluation.report.inputs import Options
from nlcunet.evaluation.report.markup import name_of

MAX_NAMED = 10
"""Images that are named in a list of what could not be read."""


@dataclass(frozen=True, kw_only=True)
class Galleries:
    """All pictures of the page."""

    differ: Shown
    fail: Mapping[str, Shown]
    """Where each did worst."""
    depart: Mapping[str, Shown]
    """Where each departs from its input."""
    broken: tuple[Broken, ...]

    @property
    def every(self) -> tuple[Shown, ...]:
        """All of them."""
        return (self.differ, *self.fail.values(), *self.depart.values())


def find_pictures(
    sets: Sequence[SetResults],
    names: Sequence[str],
    options: Options,
    bytes_left: int,
    on_progress: Callable[[int, int], None],
) -> Galleries:
    """Search and cut all pictures, the most telling first, until the page is full."""
    total, done = sum(len(one.pairs) for one in sets), 0
    groups: list[list[WantedPlace]] = []
    broken: list[Broken] = []

    def count() -> None:
        nonlocal done
        done += 1
        on_progress(done, total)

    for results in sets:
        taken = [
            (one.pair[0], one.place)
            for group in groups
            for one in group
            if one.place is not None and one.results.facts.name == results.facts.name
        ]
        places, unread = find_disagreements(results, options.places, options.crop_px, count, taken)
        groups.append(places)
        broken += unread
    differ = show(take_turns(groups), options.crop_px, bytes_left)
    bytes_left = differ.bytes_left
    galleries: list[dict[str, Shown]] = []
    for find in (find_failures, find_departures):
        shown: dict[str, Shown] = {}
        for name in names:
            shown[name] = show(with_pictures(find(sets, name)), options.crop_px, bytes_left)
            bytes_left = shown[name].bytes_left
        galleries.append(shown)
    every = [differ, *galleries[0].values(), *galleries[1].values()]
    broken += [reason for one in every for reason in one.broken]
    return Galleries(differ=differ, fail=galleries[0], depart=galleries[1], broken=tuple(dict.fromkeys(broken)))


def make_places(sets: Sequence[SetResults], found: Galleries, options: Options) -> list[str]:
    """The places where systems differ, set by set, and by what rule they were found."""
    kept = {one.facts.key: count_kept(one) for one in sets}
    parts = []
    if any(kept.values()):
        parts.append(
            f"<p>Found by a rule, not picked: in every pair whose pictures were kept, a window of {options.crop_px}×"
            f"{options.crop_px} pixels moves over the original in steps of one pixel of the input. In each, the mean "
            "squared error of Y is taken of all systems but bicubic (with it, where one would be alone). Shown are the "
            "windows where the worst exceeds the best the most, at most one per image and "
            f"{options.places} per set. Below each crop is its PSNR Y. "
            '<span class="screen">Hold a crop to see the original in its place.</span></p>'
        )
    for results in sets:
        figures = [figure for one, figure in found.differ.figures if one.results is results]
        if figures:
            parts += [f"<h3>{name_of(results.facts.key)}</h3>", *figures]
    parts += _left_out(found.differ)
    without = [one.facts.key for one in sets if kept[one.facts.key] < len(one.pairs)]
    if without:
        parts.append(
            f"<p>Pictures were not kept, or not all of them, for {', '.join(map(name_of, without))}. To see places "
            "here, make the set with <code>nlcunet bench make</code> and measure it with "
            "<code>nlcunet bench run SET --keep-outputs FOLDER</code>.</p>"
        )
    if found.broken:
        images = list(dict.fromkeys(name_of(words) for words, _ in found.broken))
        more = f" and {len(images) - MAX_NAMED:,} more" if len(images) > MAX_NAMED else ""
        parts.append(
            f"<p>Kept pictures that are gone, damaged or of another size: {', '.join(images[:MAX_NAMED])}{more}.</p>"
        )
    return parts


def make_failures(sets: Sequence[SetResults], names: Sequence[str], found: Galleries) -> list[str]:
    """For each system, the images on which it was worst."""
    parts = []
    for name in names:
        wanted = find_failures(sets, name)
        if wanted:
            parts += [
                f"<h3>{name_of(name)}</h3>",
                f"<p>{make_sentence(sets, name)}</p>",
                make_table_of_failures(wanted),
                *(figure for _, figure in found.fail[name].figures),
                *_left_out(found.fail[name]),
            ]
    if not parts:
        return []
    rule = (
        f"For each system, the {WORST} images with the smallest gain over the baseline, each at its worst degradation. "
        "The crop is where the squared error exceeds the baseline's the most."
    )
    return [f"<p>{rule}</p>", *parts]


def make_departures(found: Galleries) -> list[str]:
    """For each system, the images where its output fits its input least."""
    parts = []
    for name, shown in found.depart.items():
        if shown.figures or shown.left_out:
            parts += [f"<h3>{name_of(name)}</h3>", *(figure for _, figure in shown.figures), *_left_out(shown)]
    if not parts:
        return []
    rule = (
        "Blurred and shrunk again in the same way, an output should give its input back. Shown are the images where "
        "that fails most; the crop is where the two differ most."
    )
    return [f"<p>{rule}</p>", *parts]


def _left_out(shown: Shown) -> list[str]:
    if not shown.left_out:
        return []
    names = ", ".join(f"{name_of(one.pair[0])} ({name_of(one.results.facts.key)})" for one in shown.left_out)
    return [f'<p class="soft">Left out to keep the page small: {names}.</p>']
