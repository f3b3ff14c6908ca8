"""Pages and messages promise only installations that work: the package is not in an index yet."""

import re
import tomllib

from nlcunet.errors import install_extra, shell_install_extra

from .pages import PAGES, ROOT

BY_NAME = re.compile(r"nlcunet\[|pip install [^`\n#\"]*(?<![\w/.-])nlcunet(?![\w/.-])")
SOURCES = sorted((ROOT / "src").rglob("*.py"))


def test_nothing_is_installed_by_its_name():
    assert BY_NAME.search("python -m pip install --no-deps nlcunet")
    assert BY_NAME.search("`nlcunet[train]`")
    assert not BY_NAME.search("pip install '.[train]'  # nlcunet's")
    texts = [*PAGES, *SOURCES, *(ROOT / "examples").rglob("*.md"), *(ROOT / "examples").rglob("*.py")]
    texts = [path for path in texts if path.name not in {"CHANGELOG.md", "releasing.md"}]
    wrong = [(path, found[0]) for path in texts if (found := BY_NAME.search(path.read_text(encoding="utf-8")))]
    assert not wrong


def test_one_page_says_where_such_commands_are_typed():
    text = " ".join((ROOT / "docs/faq.md").read_text(encoding="utf-8").split())
    assert (
        "is not in a package index yet. So every `pip install '.[serve]'` on these pages is typed in the folder" in text
    )


def test_messages_take_the_command_from_one_place_and_name_extras_that_there_are():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = set()
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        named |= set(re.findall(r"install_extra\(['\"](\w+)['\"]\)", text))
        assert path.name == "errors.py" or not re.search(r"pip install '\S*\[(?!client)", text), path
    assert named >= {"train", "export", "serve", "report", "hub", "ray", "heic", "wandb"}
    assert named <= set(project["optional-dependencies"])


def test_the_command_is_said_in_messages_and_for_shells():
    assert install_extra("hub", "export") == "pip install '.[hub,export]' in the folder of nlcunet's source code"
    assert shell_install_extra("hub") == "pip install '.[hub]'  # in the folder of nlcunet's source code"
