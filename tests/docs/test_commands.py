"""Every command on the pages is one that its program takes, and does what the page shows.

Each command line of a fenced block is read by the program's own parser. It is then run in a folder with small files
of the names that the page uses, unless a table below says why not. Nothing of the command is changed; what stands
around it is: small pictures, a cache of its own, one thread. What the page shows as output must be printed, but for
the numbers.
"""

import json
import re
import shlex
import shutil
import subprocess
import time

import pytest

from .grammar import check_make, check_pip, parse_nlcunet, script_flags, unknown_flags
from .pages import PAGES, ROOT, SHELL, Block, Line, all_lines, blocks, shell_lines, simple_commands, spans
from .sandbox import BEFORE, prepare

NETWORK = "downloads from other hosts"
HOURS = "trains for hours"
SERVER = "serves until it is stopped"

NOT_RUN: dict[str, str] = {
    r"nlcunet data fetch DIV2K -o datasets": NETWORK,
    r"nlcunet data fetch DIV2K --check": "needs DIV2K",
    r"nlcunet data fetch DF2K( -o datasets)?": NETWORK,
    r"nlcunet data fetch Set\d+ -o datasets": NETWORK,
    r"nlcunet bench run --images Set5 .*--measures lpips,dists .*": "needs weights that readers fetch themselves",
    r"nlcunet experiment run .*": HOURS,
    r"nlcunet experiment report .*": "needs an experiment; tests/experiments/variants makes small ones",
    r"nlcunet train \w+ --photographs (my-photos/|FOLDER|packed|drawn)( --run runs/\w+)?": HOURS,
    r"nlcunet train \w+ --set data.degradation=diverse --photographs .*": HOURS,
    r"nlcunet train --run runs/\w+ --resume": HOURS,
    r"nlcunet train paper_x4_isotropic( --run runs/paper)?": HOURS,
    r"nlcunet train paper_x4_isotropic --dry-run": "needs DF2K, and trains the full network",
    r"accelerate launch .*": HOURS,
    r"nlcunet study serve [\w-]+": SERVER,
    r"nlcunet study analyse (study --plot study.png|hairline-study)": "needs people's answers; tests/cli has some",
    r"nlcunet (models|upscale photo.jpg -m) hf://user/.*": NETWORK,
    r"nlcunet models publish .* --push .*": "sends to another host",
    r"nlcunet upscale s3://.*": "needs an object store; tests/cluster has one in memory",
    r"ray start .*": "starts a cluster that stays",
    r"nlcunet serve": SERVER + "; the commands below it run against one",
    r"nlcunet serve --(open|proxy .*)": SERVER,
    r"python benchmarks/.*": "takes minutes to hours; its flags are checked",
    r"make (demo|install|test|check|docs|numbers)": "the target is checked",
    r"(\.venv/bin/)?pip install .*": "installs; the extras are checked",
    r"python3 -m venv .venv": "makes an environment",
    r"\. .venv/bin/activate": "only for the reader's own shell",
    r"\.venv/bin/nlcunet --version": "needs that environment",
}
"""Commands, as patterns, that are not run, and why. Each must occur on a page."""

SLOW: tuple[str, ...] = (
    r"nlcunet models publish 4x-NLCUnet-S",
    r"nlcunet export .*",
    r"nlcunet upscale photo.jpg --engine .*",
    r"nlcunet upscale photo.jpg -m s.onnx",
    r"nlcunet bench hairlines .*",
    r"nlcunet study hairlines .*",
    r"nlcunet study analyse .* --model-observer",
    r"nlcunet upscale photos -o large --ray local",
    r"nlcunet data draw .*",
    r"nlcunet train \w+ .* --dry-run",
)
"""Commands that take a minute or so; each must occur on a page."""

PYTHON_NOT_RUN: dict[str, str] = {
    'from_pretrained("user/': NETWORK,
    "fetch_weights(": NETWORK,
    "push_to_hub(": "sends to another host",
    "from spandrel import": "needs spandrel, an extra; tests/hub/test_spandrel_plugin.py runs it",
    "urllib.request.Request(": "needs a server at port 7860; tests/server/test_clients.py runs it with another",
    "aoti_load_package": "needs a package that a C++ compiler has made",
    'torch.export.load("s.pt2")': "needs a file that takes another minute to export; tests/export makes small ones",
}
"""Words of Python blocks that are not run, and why."""

OUTPUT_DIFFERS: dict[str, str] = {
    "nlcunet upscale photos -o large --ray local": "the number of workers, and their words, depend on the machine",
}
"""Commands whose output on small files has another form than the page shows, and why."""

PLAIN_PROGRAMS = {"cat", "echo", "curl"}
PAGES_WITH_SERVER = {"docs/rest.md", "docs/start-engineer.md"}
RUN_PROGRAMS = PLAIN_PROGRAMS | {"nlcunet"}
"""A line with any other program is never run."""


def matches(patterns, words):
    text = " ".join(words)
    return [pattern for pattern in patterns if re.fullmatch(pattern, text)]


def is_run(line, *, slow):
    commands = simple_commands(line.text)
    if any(words[0] not in RUN_PROGRAMS or matches(NOT_RUN, words) for words in commands):
        return False
    return slow or not any(matches(SLOW, words) for words in commands)


def complaint(words):
    """What is wrong with a command by the rules of its program."""
    program = words[0].rpartition("/")[2]
    if program == "nlcunet":
        return parse_nlcunet(words)
    if program == "accelerate":
        return parse_nlcunet(words[words.index("-m") + 1 :])
    if program == "make":
        return check_make(words)
    if program == "pip":
        return check_pip(words)
    if program in PLAIN_PROGRAMS or matches(NOT_RUN, words):
        return None
    return "no rule of this test knows the program: add one, or excuse it in NOT_RUN"


def test_the_pages_have_commands():
    assert len(all_lines()) > 90


def test_each_command_is_one_that_its_program_takes():
    wrong = [
        f"{line.place}: {' '.join(words)}: {found}"
        for line in all_lines()
        for words in simple_commands(line.text)
        if (found := complaint(words))
    ]
    assert not wrong, "\n".join(wrong)


def test_commands_beside_other_programs_are_taken_too():
    """Blocks of plain text show sessions with other programs; our own lines in them are read all the same."""
    wrong = [
        f"{line.place}: {' '.join(words)}: {found}"
        for path in PAGES
        for block in blocks(path)
        if block.language in {"", "text"} and re.search(r"^\$ ", block.text, re.MULTILINE)
        for line in shell_lines(block)
        for words in simple_commands(line.text)
        if words[0] == "nlcunet" and (found := parse_nlcunet(words))
    ]
    assert not wrong, "\n".join(wrong)


def test_commands_in_sentences_have_no_unknown_flags():
    wrong = [
        f"{place}: {text}: unknown: {', '.join(sorted(unknown))}"
        for path in PAGES
        for place, text in spans(path)
        for words in simple_commands(text)
        if words[0] == "nlcunet" and (unknown := unknown_flags(words))
    ]
    assert not wrong, "\n".join(wrong)


def test_excuses_are_needed():
    commands = [words for line in all_lines() for words in simple_commands(line.text)]
    typed = {line.text for line in all_lines()}
    for table in (NOT_RUN, SLOW):
        assert [pattern for pattern in table if not any(matches([pattern], words) for words in commands)] == []
    assert [text for text in OUTPUT_DIFFERS | BEFORE if text not in typed] == []
    code = [block.text for path in PAGES for block in blocks(path) if block.language == "python"]
    assert [words for words in PYTHON_NOT_RUN if not any(words in text for text in code)] == []


def test_scripts_take_the_flags_that_pages_give_them(program):
    given = {}
    lines = [(line.place, words) for line in all_lines() for words in simple_commands(line.text)]
    lines += [(place, text.split()) for path in PAGES if path.name != "log.md" for place, text in spans(path)]
    for place, words in lines:
        if "python" in words[:2]:
            script, flags = script_flags(words)
            given.setdefault(script, []).append((place, flags))
    given.pop("", None)
    assert len(given) > 10
    wrong = []
    for script, uses in sorted(given.items()):
        if not (ROOT / script).is_file():
            wrong += [f"{place}: there is no {script}" for place, _ in uses]
            continue
        shown = program(f"python {script} --help", ROOT)
        known = set(re.findall(r"--[a-z][a-z-]*", shown.stdout))
        assert shown.returncode == 0, (script, shown.stderr)
        wrong += [f"{place}: {script} has no {flags - known}" for place, flags in uses if flags - known]
    assert not wrong, "\n".join(wrong)


def masked(text):
    """A line of output without its numbers, and without the spaces that depend on them."""
    text = re.sub(r"[0-9a-f]{64}", "#", text)
    text = re.sub(r"[−+-]?\d[\d.,]*(e-\d+)?", "#", text)
    return re.sub(r"tiles\b", "tile", re.sub(r"[━─═╇┃│┼\s]+", " ", text)).strip()


def expected_code(line):
    """What the page lets one expect: an error ends with 2, a batch of which some failed with 1."""
    if any(row.startswith("nlcunet: ") for row in line.shown):
        return 2
    return 1 if any(re.search(r"\d failed in ", row) for row in line.shown) else 0


def compare(line, done):
    """What differs between a page and what happened."""
    said = f"{done.stdout}\n{done.stderr}"
    if done.returncode != expected_code(line):
        return [f"{line.place}: {line.text}: exit code {done.returncode}, expected {expected_code(line)}\n{said}"]
    printed = {masked(row) for row in said.splitlines()}
    if line.text in OUTPUT_DIFFERS:
        return []
    missing = [row for row in line.shown if masked(row) not in printed]
    return [f"{line.place}: {line.text}: the page shows what is not printed: {missing}\n{said}"] if missing else []


def steps(page, *, slow):
    """Command lines and Python blocks of a page that are run, in the order of reading."""
    for block in blocks(ROOT / page):
        if block.language in SHELL:
            yield from (line for line in shell_lines(block) if is_run(line, slow=slow))
        elif block.language == "python" and (slow or "onnx" not in block.text):
            yield from () if any(words in block.text for words in PYTHON_NOT_RUN) else (block,)


def python_code(block):
    """A block of Python; of a session at the prompt what was typed."""
    rows = block.text.split("\n")
    if any(row.startswith(">>> ") for row in rows):
        rows = [row[4:] for row in rows if row.startswith((">>> ", "... "))]
    return "\n".join(rows) + "\n"


def walk(page, folder, program, *, slow):
    """Does everything that a page says, and gives back what went otherwise."""
    prepare(page, folder)
    wrong, answered, code = [], {}, []
    for step in steps(page, slow=slow):
        if isinstance(step, Block):
            code.append(f"# {step.place}\n{python_code(step)}")  # a page's blocks go on from each other
            continue
        BEFORE.get(step.text, lambda _: None)(folder)
        wrong += compare(step, with_ids(step, answered, folder, program))
    if code:
        (folder / "page.py").write_text("\n".join(code), encoding="utf-8")
        done = program("python page.py", folder)
        wrong += [f"{page}, Python: {done.stderr}"] if done.returncode else []
    return wrong


def with_ids(line, answered, folder, program):
    """Runs a command; ID stands for the job of the last answer, which is waited for as a reader would."""
    text = line.text
    if re.search(r"\bID\b", text):
        text = re.sub(r"\bID\b", answered["id"], text)
        for _ in range(100):
            done = program(text, folder)
            if "result" not in text or done.returncode == 0:
                break
            time.sleep(0.1)
    else:
        done = program(text, folder)
    if done.stdout.startswith('{"id"'):
        answered.update(json.loads(done.stdout))
    return done


QUICK_PAGES = [page for path in PAGES if any(steps(page := path.relative_to(ROOT).as_posix(), slow=False))]
SLOW_PAGES = [
    page
    for path in PAGES
    if len([*steps(page := path.relative_to(ROOT).as_posix(), slow=True)]) > len([*steps(page, slow=False)])
]


@pytest.mark.parametrize("page", QUICK_PAGES)
def test_commands_do_what_the_page_shows(page, tmp_path, program, request):
    if page in PAGES_WITH_SERVER:
        if shutil.which("curl") is None:
            pytest.skip("curl is not installed")
        request.getfixturevalue("server")
    wrong = walk(page, tmp_path, program, slow=False)
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("page", SLOW_PAGES)
def test_slow_commands_do_what_the_page_shows(page, tmp_path, program):
    wrong = walk(page, tmp_path, program, slow=True)
    assert not wrong, "\n\n".join(wrong)


def test_python_on_the_pages_compiles():
    code = [block for path in PAGES for block in blocks(path) if block.language == "python"]
    assert len(code) > 5
    for block in code:
        compile(python_code(block), block.place, "exec")


def test_lines_are_read_as_a_shell_reads_them():
    text = 'for s in A B; do nlcunet x "a b" -s 2 > $s.png 2>/dev/null; done && OMP_NUM_THREADS=1 make docs | cat'
    assert simple_commands(text) == [["nlcunet", "x", "a b", "-s", "2"], ["make", "docs"], ["cat"]]
    block = Block("p", 1, "console", "$ a \\\n    b  # c\nsaid\n^C\n$ d '#'\n")
    assert shell_lines(block) == [Line("p", 2, "a b", ("said",)), Line("p", 6, "d '#'")]
    assert shlex.split("d '#'") == ["d", "#"]


def test_unknown_flags_and_commands_are_found():
    assert "--biger" in complaint(["nlcunet", "upscale", "a.png", "--biger"])
    assert complaint(["nlcunet", "enlarge", "a.png"])
    assert complaint(["nlcunet", "upscale", "a.png", "--width", "two"])
    assert (
        complaint(["nlcunet", "bench", "make", "--images", "a", "--protocol", "bicubic", "-s", "2", "-o", "b"]) is None
    )
    assert unknown_flags(["nlcunet", "upscale", "--scale", "--biger"]) == {"--biger"}
    assert "demos" in complaint(["make", "demos"])
    assert "servers" in complaint(["pip", "install", ".[serve,servers]"])
    assert "no rule" in complaint(["rm", "-r", "x"])


def test_outputs_are_compared_without_their_numbers():
    done = subprocess.CompletedProcess([], 0, "a.png → b.png: 20×10 → 80×40 in 0.3 s\n", "")
    same = Line("p", 1, "x", ("a.png → b.png: 300×300 → 1200×1200 in 4.9 s",))
    assert compare(same, done) == []
    assert compare(Line("p", 1, "x", ("a.png → b.png: 300×300",)), done)
    assert "exit code 1" in compare(same, subprocess.CompletedProcess([], 1, "", ""))[0]
