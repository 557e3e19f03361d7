import logging
import os
import random
import warnings

import numpy as np
import pytest
import torch

from stbench.toolbox.sandbox import no_traces


def state():
    root = logging.getLogger()
    return (
        random.getstate(),
        str(np.random.get_state()),  # noqa: NPY002
        torch.get_rng_state().tolist(),
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic,
        list(warnings.filters),
        (root.level, list(root.handlers), logging.getLogger("anndata").disabled),
        dict(os.environ),
        os.getcwd(),
        torch.get_default_dtype(),
        torch.get_num_threads(),
    )


def mess_up():
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark
    torch.backends.cudnn.deterministic = not torch.backends.cudnn.deterministic
    warnings.filterwarnings("ignore", message="anything")
    logging.getLogger().setLevel(1)
    logging.getLogger().addHandler(logging.StreamHandler())
    logging.getLogger("anndata").disabled = True
    os.chdir("/")
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(torch.get_num_threads() + 1)
    os.environ["NEW_NAME"] = "1"
    os.environ["OLD_NAME"] = "changed"


@pytest.mark.parametrize("fails", [False, True])
def test_everything_is_put_back(monkeypatch, fails):
    monkeypatch.setenv("OLD_NAME", "as it was")
    before = state()
    try:
        with no_traces("cpu"):
            mess_up()
            assert state() != before
            if fails:
                raise KeyError
    except KeyError:
        assert fails
    assert state() == before
