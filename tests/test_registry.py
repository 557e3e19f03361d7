import textwrap

import pytest

from stbench.errors import StbenchError
from stbench.methods import REGISTRY as METHODS
from stbench.metrics import REGISTRY as METRICS
from stbench.plugins import load_plugin
from stbench.registry import Registry

PLUGIN = """
from stbench.metrics import register

@register("{name}", best="high", bounds=(0, 1), definition="1")
def metric(truth, prediction):
    return truth.mean(axis=0)
"""


@pytest.fixture(autouse=True)
def _restore():
    METRICS.names()
    kept = dict(METRICS._items), dict(METRICS._modules)
    yield
    METRICS._items, METRICS._modules = kept


def plugin(tmp_path, text, file="mine.py"):
    (tmp_path / file).write_text(textwrap.dedent(text))
    return tmp_path / file


def test_a_file_is_a_plugin(tmp_path):
    load_plugin(plugin(tmp_path, PLUGIN.format(name="mine"), "one.py"))
    assert METRICS.get("mine").best == "high"


def test_collision_names_both_origins(tmp_path):
    with pytest.raises(StbenchError, match=r"'pcc' is registered twice: by .*pcc\.py and by .*two\.py"):
        load_plugin(plugin(tmp_path, PLUGIN.format(name="pcc"), "two.py"))


def test_broken_plugin_file_is_one_line(tmp_path):
    with pytest.raises(StbenchError, match=r"three\.py' is broken: ZeroDivisionError"):
        load_plugin(plugin(tmp_path, "1 / 0", "three.py"))
    with pytest.raises(StbenchError, match="does not exist"):
        load_plugin(tmp_path / "none.py")


def test_unknown_name_suggests():
    with pytest.raises(StbenchError, match="Unknown method 'kernl'. Did you mean 'kernel'"):
        METHODS.get("kernl")


def test_a_module_imported_past_the_package_is_refused():
    registry = Registry("methods", "method")
    with pytest.raises(StbenchError, match="import 'stbench.methods.tangram' instead"):
        registry.add("tangram", object, "methods.tangram")
    with pytest.raises(StbenchError, match="--plugin"):
        registry.add("mine", object, "somewhere.else")


def test_a_broken_content_file_leaves_the_others_working(tmp_path, monkeypatch):
    import stbench.metrics

    (tmp_path / "wrong_metric.py").write_text("import no_such_package")
    monkeypatch.setattr(stbench.metrics, "__path__", [*stbench.metrics.__path__, str(tmp_path)])
    registry = Registry("metrics", "metric")
    registry._load()
    assert "no_such_package" in registry.broken["wrong_metric"]
    with pytest.raises(StbenchError, match="'wrong_metric' is broken: ModuleNotFoundError"):
        registry.get("wrong_metric")


def test_every_content_file_works():
    from stbench.datasets import REGISTRY as DATASETS
    from stbench.leaderboard import REGISTRY as RENDERERS

    for registry in (METHODS, METRICS, DATASETS, RENDERERS):
        assert registry.names()
        assert registry.broken == {}
