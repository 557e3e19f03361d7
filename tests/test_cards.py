import subprocess
import sys

import pytest

from stbench.cards import read_card
from stbench.datasets import Card as DatasetCard
from stbench.errors import StbenchError
from stbench.exchange.external import Card as MethodCard

METHOD = """
name = "some"
family = "baseline"
paper = "stbench tests"
version = "1"
summary = "A test."
command = ["program"]
format = "text"
needs = ["counts"]
[parameters]
power = 2.0
[presets.cpu]
power = 1
"""


def test_a_card_has_the_content_of_its_file(tmp_path):
    (tmp_path / "card.toml").write_text(METHOD)
    card = read_card(tmp_path / "card.toml", MethodCard)
    assert (card.name, card.format, card.gpu) == ("some", "text", False)
    assert (card.needs, card.parameters, card.presets) == (["counts"], {"power": 2.0}, {"cpu": {"power": 1}})
    (tmp_path / "card.toml").write_text("name = 'other'\ndownsample = 0.5\npanel = 'targeted'\n")
    card = read_card(tmp_path / "card.toml", DatasetCard, name="folder")
    assert (card.name, card.downsample, card.panel, card.min_genes) == ("folder", 0.5, "targeted", None)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('version = "1"', "", "has no 'version'"),
        ("family", "familly", "Unknown field 'familly'. Did you mean 'family'"),
        ('version = "1"', "version = 1", "field 'version': a string is expected, not 1"),
        ('"text"', '"csv"', "field 'format': Unknown value 'csv'. Known: h5ad, text"),
        ('"counts"', '"count"', "field 'needs': Unknown value 'count'. Did you mean 'counts'"),
        ('["program"]', '["program", 3]', "field 'command': a string is expected, not 3"),
        ('["program"]', '"program"', "field 'command': a list is expected, not 'program'"),
        ("2.0", "[1]", "field 'parameters.power': true or false or a whole number"),
        ("power = 1", "power = {}", "field 'presets.cpu.power'"),
        ("[parameters]", "[parameters", "not readable TOML"),
    ],
)
def test_a_wrong_card_of_a_method_is_one_clear_error(tmp_path, old, new, message):
    (tmp_path / "card.toml").write_text(METHOD.replace(old, new))
    with pytest.raises(StbenchError, match=rf"Card '.*card.toml'.*{message}"):
        read_card(tmp_path / "card.toml", MethodCard)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tisue = 'x'", "Did you mean 'tissue'"),
        ("min_genes = 'many'", "field 'min_genes': a whole number is expected, not 'many'"),
        ("min_genes = true", "field 'min_genes': a whole number is expected, not True"),
        ("panel = 'huge'", "field 'panel': Unknown value 'huge'. Known: targeted, transcriptome"),
        ("expected = {cells = 'x'}", "field 'expected.cells': a number is expected"),
        ("expected = 3", "field 'expected': a table is expected, not 3"),
        ("files.a = {path = 'x'}", "field 'files.a' has no 'repository'"),
        ("files.a = {pth = 'x'}", "field 'files.a': Unknown field 'pth'. Did you mean 'path'"),
        ("files.a = 3", "field 'files.a': a table is expected, not 3"),
        ("= 3", "not readable TOML"),
    ],
)
def test_a_wrong_card_of_a_dataset_is_one_clear_error(tmp_path, text, message):
    (tmp_path / "card.toml").write_text(text)
    with pytest.raises(StbenchError, match=message):
        read_card(tmp_path / "card.toml", DatasetCard, name="some")


def test_reading_the_cards_of_methods_imports_nothing_slow():
    code = "from stbench.methods import REGISTRY; REGISTRY.get('moscot'); import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pydantic", "anndata", "platformdirs", "torch"} & set(done.stdout.split())
