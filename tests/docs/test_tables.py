"""Tables of the pages follow from the records, and the records are of the weights in the package."""

import importlib.util
import json
from types import ModuleType

import pytest

from nlcunet.files.checksums import hash_file
from nlcunet.models.weights import embedded_models, find_weights

from .pages import ROOT

WITHOUT_RECORDS = {"2x-NLCUnet-S", "3x-NLCUnet-S"}
"""Their tables come from benchmarks/score_weights.py, which writes the scores into the headers."""


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_tables", ROOT / "docs" / "making" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_table_is_what_its_records_give(tables: ModuleType) -> None:
    found = []
    for page in tables.pages():
        text = page.read_text(encoding="utf-8")
        found += [match[2] for match in tables.BLOCK.finditer(text)]
        assert tables.rewritten(text) == text, f"{page.name} has other numbers than docs/records: make numbers"
    assert sorted(found) == sorted(tables.MAKERS)


def test_the_records_are_of_the_weights_in_the_package(tables: ModuleType) -> None:
    measured = {}
    for file in sorted(tables.RECORDS.glob("*.jsonl.gz")):
        systems = tables.read(file.name.removesuffix(".jsonl.gz")).systems
        measured |= {one.name: one.sha256 for one in systems if one.sha256}
    measured |= json.loads((tables.RECORDS / "hairlines-x4.json").read_text(encoding="utf-8"))["weights"]
    told = "measure again: python docs/making/records.py SETS, then make numbers"
    shipped = {name: hash_file(find_weights(name)) for name in embedded_models() if name not in WITHOUT_RECORDS}
    assert measured == shipped, told


def test_a_changed_number_is_noticed(tables: ModuleType) -> None:
    page = next(page for page in tables.pages() if tables.BLOCK.search(page.read_text(encoding="utf-8")))
    text = page.read_text(encoding="utf-8")
    block = tables.BLOCK.search(text)
    assert block is not None
    changed = text.replace(block[0], block[0].replace("2", "3", 1))
    assert tables.rewritten(changed) == text
