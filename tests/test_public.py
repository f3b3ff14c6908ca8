import subprocess
import sys

import pytest

import nlcunet


@pytest.mark.parametrize("name", nlcunet.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(nlcunet, name) is not None
    assert name in dir(nlcunet)


def test_every_public_name_has_a_home() -> None:
    assert {*nlcunet.HOMES, "__version__"} == set(nlcunet.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = nlcunet.nonsense


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, nlcunet; sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'pyvips', 'rich')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_importing_the_upscaler_imports_no_decoder_and_little_of_ours() -> None:
    code = "import sys, nlcunet.inference.upscaler; print(*(name for name in sys.modules if '.' not in name))\n"
    code += "print(sum(name.partition('.')[0] == 'nlcunet' for name in sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.splitlines()
    assert not {"pyvips", "PIL", "onnxruntime", "openvino"} & set(told[0].split())
    assert int(told[1]) <= 55
