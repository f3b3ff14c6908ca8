import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlcunet.errors import ConfigError
from nlcunet.models.fetching.address import HubAddress, parse_address

WORDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True)
REVISIONS = st.none() | st.from_regex(r"[a-z0-9][a-z0-9./-]{0,9}", fullmatch=True)
FILES = st.from_regex(r"([a-z0-9]{1,5}/){0,2}[a-z0-9]{1,5}\.safetensors", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("hf://user/4x-NLCUnet-S", HubAddress("user/4x-NLCUnet-S")),
        ("user/4x-NLCUnet-S", HubAddress("user/4x-NLCUnet-S")),
        ("hf://user/name/", HubAddress("user/name")),
        ("hf://user/name@v1.2", HubAddress("user/name", "v1.2")),
        ("hf://user/name@refs%2Fpr%2F3", HubAddress("user/name", "refs/pr/3")),
        ("hf://user/name@v1/half/other.safetensors", HubAddress("user/name", "v1", "half/other.safetensors")),
    ],
)
def test_addresses_are_read(text, meant):
    assert parse_address(text) == meant


@given(WORDS, WORDS, REVISIONS, FILES)
def test_an_address_is_read_as_it_was_written(user, name, revision, file):
    address = HubAddress(f"{user}/{name}", revision, file)
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text", ["hf://", "hf://name", "hf:///name", "hf://user/na me", "hf://-user/name", "hf://a/b@", ""]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ConfigError, match="must be hf://user/name, with @revision and /file"):
        parse_address(text)


@pytest.mark.parametrize("file", ["pytorch_model.bin", "weights.pth", "model.ckpt", "model.safetensors.bin"])
def test_pickles_are_refused_by_their_names(file):
    with pytest.raises(ConfigError, match=r"pickles .* can run code and are never loaded"):
        parse_address(f"hf://user/name/{file}")
