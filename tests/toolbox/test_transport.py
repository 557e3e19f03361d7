import warnings

import numpy as np
import pytest

from stbench.toolbox.transport import numerical_errors, on_device


def test_only_numerical_errors_are_raised_and_the_filters_come_back():
    before = list(warnings.filters)
    with numerical_errors():
        warnings.warn("Sinkhorn did not converge", UserWarning, stacklevel=1)
        np.log(np.zeros(1))
    for message in ("Warning: numerical errors at iteration 3", "Numerical errors at iteration 3"):
        with pytest.raises(UserWarning, match="(?i)numerical errors"), numerical_errors():
            warnings.warn(message, UserWarning, stacklevel=1)
    assert warnings.filters == before


def test_pot_still_says_numerical_errors():
    ot = pytest.importorskip("ot")
    a, cost = np.full(2, 0.5), np.array([[0.0, 1.0], [1.0, 2.0]])
    with pytest.raises(UserWarning, match="(?i)numerical errors"), numerical_errors():
        ot.sinkhorn(a, a, cost, 1e-4)
    with pytest.raises(UserWarning, match="(?i)numerical errors"), numerical_errors():
        ot.unbalanced.sinkhorn_unbalanced(a, a, cost, 1e-4, 1, reg_type="entropy")


def test_arrays_stay_arrays_on_the_cpu():
    torch = pytest.importorskip("torch")
    values = np.arange(6.0).reshape(2, 3)
    assert on_device(values, "cpu") is values
    tensor = on_device(values.T, "cpu:0")
    assert tensor.dtype == torch.float64
    np.testing.assert_array_equal(tensor.numpy(), values.T)
