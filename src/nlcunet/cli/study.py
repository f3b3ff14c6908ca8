"""``nlcunet study``: ask people which pictures they prefer, without their knowing which is which."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from nlcunet.experiments.study.assembly import MadeStudy

study_app = typer.Typer(no_args_is_help=True, add_completion=False, help="Ask people which pictures they prefer.")

StudyFolder = Annotated[Path, typer.Argument(metavar="STUDY_FOLDER", help="Folder of the study.")]


@study_app.callback()
def study() -> None:
    """Ask people which pictures they prefer: a blind two-choice comparison, and its statistics."""


@study_app.command("make")
def make(
    *,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="STUDY_FOLDER", help="Folder for the study; it must be new.")
    ],
    system: Annotated[
        list[str],
        typer.Option("--system", metavar="NAME=FOLDER", help="Folder of one system's pictures; give two or more."),
    ],
    original: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder of sharp originals, for attention checks.")
    ] = None,
    show_original: Annotated[
        bool,
        typer.Option(
            "--show-original", help="Show the original above the pair, and ask which picture is more like it."
        ),
    ] = False,
    low_res: Annotated[
        Path | None,
        typer.Option(
            "--low-res",
            metavar="FOLDER",
            help="Folder of the small pictures that were enlarged; they are shown above the pair.",
        ),
    ] = None,
    crop_px: Annotated[int, typer.Option("--crop-px", help="Side of the crops.")] = 256,
    crops_per_image: Annotated[int, typer.Option("--crops-per-image", help="Number of crops per image.")] = 2,
    seed: Annotated[int, typer.Option(help="Start of the random numbers for places, order and sides.")] = 0,
    checks: Annotated[int | None, typer.Option(help="Number of attention checks per session.  [default: 4]")] = None,
    repeats: Annotated[
        int | None, typer.Option(help="Number of comparisons that are asked twice.  [default: 4]")
    ] = None,
    judgements_per_pair: Annotated[
        int | None,
        typer.Option(
            "--judgements-per-pair",
            help="Crops on which a participant compares each pair of systems.  [default: for about 60 comparisons]",
        ),
    ] = None,
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Comparing pictures",
    consent: Annotated[
        str, typer.Option(help="Sentence below the note on what is stored: who asks, and whom to write to.")
    ] = "",
) -> None:
    """Prepare a study: cut crops where the systems differ most, and hide which picture is whose.

    The pictures of one image must have the same name (without the ending) and the same size in all folders. Exit codes:
    0 done, 2 failed.
    """
    from rich.console import Console
    from rich.progress import Progress

    from nlcunet.experiments.study.assembly import Design, Sources, make_study

    sources = Sources(systems=read_systems(system), original=original, low_res=low_res)
    design = Design(
        title=title,
        consent=consent,
        crop_px=crop_px,
        crops_per_image=crops_per_image,
        seed=seed,
        checks=checks,
        repeats=repeats,
        judgements_per_pair=judgements_per_pair,
        shows_original=show_original,
    )
    screen = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as progress:
        bar = progress.add_task("cutting", total=None)
        made = make_study(
            output, sources, design, on_image=lambda done, total: progress.update(bar, completed=done, total=total)
        )
    _tell(output, made, screen)


@study_app.command("hairlines")
def hairlines(
    *,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="STUDY_FOLDER", help="Folder for the study; it must be new.")
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(
            "-m", "--model", help="Compare this model: name, file or NAME=FILE; by default all embedded ones."
        ),
    ] = None,
    scale: Annotated[int, typer.Option("-s", "--scale", help="2, 3 or 4.")] = 4,
    count: Annotated[int, typer.Option(min=1, help="Number of pictures, one crop of each.")] = 12,
    images: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Sharp photographs to use instead of drawn pictures.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Start of the random numbers for pictures, places, order and sides.")
    ] = 0,
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Hairlines",
    consent: Annotated[
        str, typer.Option(help="Sentence below the note on what is stored: who asks, and whom to write to.")
    ] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, gpu, cuda, cuda:1, mps.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
) -> None:
    """Prepare a study of thin lines: draw hair and branches, blur and shrink them, enlarge them with every system.

    Bicubic and Lanczos enlargement take part. Participants see the original. Exit codes: 0 done, 2 failed.
    """
    from rich.console import Console
    from rich.progress import Progress

    from nlcunet.evaluation.hairlines import load_enlargers
    from nlcunet.experiments.study.assembly import Design
    from nlcunet.experiments.study.hairlines import make_hairline_study
    from nlcunet.models.weights import embedded_models, find_header
    from nlcunet.runtime import choose_device, thread_limit

    names = model if model is not None else [name for name in embedded_models() if find_header(name).scale == scale]
    models, _ = load_enlargers(names, scale, choose_device(device))
    design = Design(title=title, consent=consent, crops_per_image=1, seed=seed, shows_original=True)
    screen = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    with thread_limit(threads), Progress(console=screen, transient=True, disable=not screen.is_terminal) as progress:
        bar = progress.add_task("making", total=None)
        made = make_hairline_study(
            output,
            models,
            scale,
            design,
            count=count,
            images=images,
            on_image=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    _tell(output, made, screen)


def _tell(output: Path, made: "MadeStudy", screen: "Console") -> None:
    """What was made, and what is worth knowing."""
    from nlcunet.experiments.study.sessions import count_trials

    for note in made.notes:
        screen.print(f"note: {note}")
    one = made.study
    comparisons = len(one.pairs) * one.judgements_per_pair
    typer.echo(
        f"{output}: {len(one.crops)} crops of {len({crop.image for crop in one.crops})} images; a session has "
        f"{count_trials(one)} trials: {comparisons} comparisons, {one.repeats} of them asked twice, "
        f"{len(one.checks)} attention checks"
    )


@study_app.command("serve")
def serve(
    folder: StudyFolder,
    *,
    host: Annotated[
        str, typer.Option(help="Listen at this address; 0.0.0.0 lets other machines in, unencrypted.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Listen at this port; 0 picks a free one.")] = 8650,
    participants: Annotated[
        int | None,
        typer.Option(min=1, help="Invite this many people, each with a personal link; kept for later starts."),
    ] = None,
    is_open: Annotated[
        bool, typer.Option("--open", help="Let anybody take part, even if people were invited before.")
    ] = False,
) -> None:
    """Show the study as a web page, until Ctrl-C. By default anybody who opens it can take part.

    Each answer is saved before the next pair appears. After a restart everybody continues where they were.
    """
    from rich.console import Console

    from nlcunet.errors import ConfigError, install_extra
    from nlcunet.experiments.study.desk import Desk, invite, read_invitations
    from nlcunet.experiments.study.folder import read_study

    try:
        from nlcunet.experiments.study.server import make_app, run_server
        from nlcunet.server.run import bind
    except ImportError as error:
        raise ConfigError(f"the page needs FastAPI and uvicorn: install them with {install_extra('serve')}") from error
    if is_open and participants is not None:
        raise ConfigError("a study is open or for invited participants: got --open and --participants; leave out one")
    screen = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    one = read_study(folder)
    with bind(host, port) as listener:
        codes = None if is_open else read_invitations(folder) if participants is None else invite(folder, participants)
        desk = Desk(folder, one, None if codes is None else frozenset(codes))
        try:
            app = make_app(folder, one, desk)
            address = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}/"
            typer.echo(address)
            for code in codes or ():
                typer.echo(f"{address}#invitation={code}")
            if not is_loopback(host):
                screen.print("note: other machines can reach this page; what they send and receive is not encrypted")
            run_server(app, listener)
        finally:
            desk.close()
            joined, answered = desk.summary()
            screen.print(f"{joined} participants, {answered} answers in {folder}")


@study_app.command("analyse")
def analyse(
    folder: StudyFolder,
    *,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all results to this JSON file as well.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw scores and choices to this file: PNG, SVG or PDF.")] = None,
    excludes: Annotated[
        bool,
        typer.Option(
            "--exclude-failed-checks/--keep-all", help="Leave out people who failed attention checks or were too fast."
        ),
    ] = True,
    unit: Annotated[
        Literal["auto", "participants", "images"],
        typer.Option(help="Resample and test over this; auto means images if there is one participant."),
    ] = "auto",
    resamples: Annotated[int, typer.Option(min=100, help="Number of bootstrap resamples.")] = 2000,
    model_observer: Annotated[
        bool,
        typer.Option("--model-observer", help="Let a model of the eye answer instead of people, and mark it as such."),
    ] = False,
) -> None:
    """Print scores with intervals, sign tests and agreement as Markdown. You can do this while the study runs."""
    from nlcunet.experiments.study.analysis import analyse as analyse_answers
    from nlcunet.experiments.study.answers import Answer, Participant
    from nlcunet.experiments.study.folder import ANSWERS, PARTICIPANTS, read_study
    from nlcunet.experiments.study.journal import read_lines
    from nlcunet.experiments.study.observer import RULE, observe
    from nlcunet.experiments.study.plot import write_plot
    from nlcunet.experiments.study.report import make_json, make_markdown
    from nlcunet.files.atomic import write_file_atomically

    one = read_study(folder)
    joined = 0 if model_observer else len(read_lines(folder / PARTICIPANTS, Participant))
    found = analyse_answers(
        one,
        observe(folder, one) if model_observer else read_lines(folder / ANSWERS, Answer),
        keeps_all=model_observer or not excludes,
        unit=None if unit == "auto" else unit,
        resamples=resamples,
        observer=RULE if model_observer else "",
    )
    typer.echo(make_markdown(found, joined), nl=False)
    if json_file is not None:
        write_file_atomically(json_file, make_json(found, joined).encode())
    if plot is not None:
        write_plot(found, plot)


def read_systems(texts: list[str]) -> dict[str, Path]:
    """``NAME=FOLDER`` taken apart, in the order given."""
    from nlcunet.errors import ConfigError

    systems: dict[str, Path] = {}
    for text in texts:
        name, separator, folder = text.partition("=")
        if not (separator and name.strip() and folder):
            raise ConfigError(f"a system must be NAME=FOLDER, as bicubic=out/bicubic: got {text!r}")
        if name.strip() in systems:
            raise ConfigError(f"systems must have names of their own: got {name.strip()} twice")
        systems[name.strip()] = Path(folder)
    return systems


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
