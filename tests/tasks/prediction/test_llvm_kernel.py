"""The compiled loop: one for all models, for as many rows at once as its text says."""

import numpy as np
import pytest

from tasks.prediction.llvm_kernel import LANES, compile_loop, write_loop


def test_loop_is_compiled_once() -> None:
    assert compile_loop() is compile_loop()


def test_loop_s_text_names_its_lanes_and_holds_no_gap() -> None:
    text = write_loop()
    assert f"<{LANES} x i64>" in text
    assert "define void @answer(" in text
    assert "NUMBER(" not in text


@pytest.mark.parametrize("count", [1, 33])
def test_exponential_is_numpy_s(count: int) -> None:
    values = np.linspace(-5, 5, count)
    expected = np.exp(values)
    compile_loop().exponential(values.ctypes.data, count)
    np.testing.assert_allclose(values, expected, rtol=1e-14)
