"""The ways to check gradients, each as its own documentation or the notebooks that teach it have it, with its defaults.

Libraries are imported where a tool is made: each runs in a process of its own and pays for its own only.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli import check
from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive

if TYPE_CHECKING:
    from benchmarks.peers.cases import Backward, Layer
    from gradcheck_cli.numeric.arrays import Array

EVERY_ELEMENT = "every element"
ONE_DIRECTION = "one direction"

PASS, FAIL = "pass", "fail"


class Tool:
    """A way to check: says "pass" or "fail" of a backward (convcheck may also be "inconclusive")."""

    coverage: str

    def __init__(self, layer: Layer) -> None:
        self.layer = layer

    def check(self, backward: Backward) -> str:
        """Check as a user would. This is what is timed."""
        raise NotImplementedError

    def judge(self, backward: Backward) -> str:
        """Give the verdict that `check` would, after it has run once: what does not depend on backward may be kept."""
        return self.check(backward)


class Convcheck(Tool):
    """This project's own."""

    coverage = EVERY_ELEMENT

    def check(self, backward: Backward) -> str:
        """Check; the method is chosen by the sizes, and the coverage follows from it."""

        # Plain functions: of methods an instance of its own would be made for each call.
        def conv_forward(x: Array, w: Array, b: Array, conv_param: dict[str, Any]) -> tuple[Array, Any]:
            return self.layer.convolve(x, w, b, conv_param)

        def conv_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
            return backward(dout, cache)

        result = check(self.layer.case, implementation=(conv_forward, conv_backward))
        projected = [name for name, gradient in result.gradients.items() if gradient.method == "projected"]
        self.coverage = f"{', '.join(projected)} by directions" if projected else EVERY_ELEMENT
        return str(result.verdict)


class _Differences(Tool):
    """A numerical gradient first, which knows nothing of backward; then the comparison with it."""

    coverage = EVERY_ELEMENT

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer)
        self._numeric: dict[str, Array] = {}

    def check(self, backward: Backward) -> str:
        """Differentiate, and judge."""
        self._numeric = {name: self.numeric(name) for name in self.layer.inputs}
        return self.judge(backward)

    def judge(self, backward: Backward) -> str:
        """Hold backward against the numerical gradients of the last check."""
        analytic = self.layer.gradients(backward)
        return PASS if all(self.agree(analytic[name], n) for name, n in self._numeric.items()) else FAIL

    def numeric(self, name: str) -> Array:
        """Differentiate <cotangent, output> in an input."""
        raise NotImplementedError

    def agree(self, analytic: Array, numeric: Array) -> bool:
        """Tell whether two gradients count as equal."""
        raise NotImplementedError


class NotebookLoop(_Differences):
    """Central differences, element by element, and the largest relative error: what course notebooks have."""

    STEP = 1e-5  #: as in those notebooks
    SMALLEST = 1e-8  #: below which a relative error is taken of this; theirs too
    LARGEST_ERROR = 1e-7  #: theirs say that errors should be "around 1e-8" or less, and leave the verdict to the eye

    def numeric(self, name: str) -> Array:
        """Take the central difference in each element."""
        x = self.layer.inputs[name].copy()
        gradient = np.zeros_like(x)
        for index in np.ndindex(x.shape):
            there = x[index]
            x[index] = there + self.STEP
            ahead = self.layer.output(**{name: x})
            x[index] = there - self.STEP
            behind = self.layer.output(**{name: x})
            x[index] = there
            gradient[index] = ((ahead - behind) * self.layer.cotangent).sum() / (2 * self.STEP)
        return gradient

    def agree(self, analytic: Array, numeric: Array) -> bool:
        """Hold the largest relative error against the limit."""
        size = np.maximum(self.SMALLEST, abs(analytic) + abs(numeric))
        return bool((abs(analytic - numeric) / size).max() < self.LARGEST_ERROR)


class SameDtype(Tool):
    """The recipe for low precision: no more than twice as far from float64 as a reference in the same dtype."""

    coverage = EVERY_ELEMENT

    def check(self, backward: Backward) -> str:
        """Compare with a textbook's loops, in the dtype under test and in float64."""
        layer, case = self.layer, self.layer.case
        right = [self._reference(dtype) for dtype in (case.dtype, "float64")]
        for name, gradient in layer.gradients(backward).items():
            rounded, exact = (gradients[name] for gradients in right)
            error, usual = (abs(array.astype(float) - exact).max() for array in (gradient, rounded))
            if not error <= 2 * usual:
                return FAIL
        return PASS

    def _reference(self, dtype: str) -> dict[str, Array]:
        inputs = {name: value.astype(dtype) for name, value in self.layer.inputs.items()}
        _, cache = conv_forward_naive(inputs["x"], inputs["w"], inputs["b"], self.layer.case.settings)
        return dict(zip(inputs, conv_backward_naive(self.layer.cotangent.astype(dtype), cache), strict=True))


class SciPyGroups(_Differences):
    """SciPy's sparse finite differences, which group columns of the Jacobian that no row shares."""

    TOLERANCE = 1e-6  #: of the largest element; SciPy itself gives no verdict

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer)
        self._sparse: Any = importlib.import_module("scipy.sparse")
        # Private, but the one place where SciPy differentiates by groups; `least_squares(jac_sparsity=)` calls it.
        self._derivative: Callable[..., Any] = importlib.import_module("scipy.optimize._numdiff").approx_derivative

    def numeric(self, name: str) -> Array:
        """Take the whole Jacobian, group by group; making its pattern and the groups is part of the work."""
        x = self.layer.inputs[name]

        def output(flat: Array) -> Array:
            return self.layer.output(**{name: flat.reshape(x.shape)}).reshape(-1)

        jacobian = self._derivative(output, x.reshape(-1), method="3-point", sparsity=self._pattern(name))
        return np.asarray(jacobian.T @ self.layer.cotangent.reshape(-1)).reshape(x.shape)

    def agree(self, analytic: Array, numeric: Array) -> bool:
        """Hold the largest error against the largest element."""
        return bool(abs(analytic - numeric).max() <= self.TOLERANCE * abs(numeric).max())

    def _pattern(self, name: str) -> Any:
        """Say which outputs (n, f, i, j) an element reaches: axis by axis, the Kronecker product of all."""
        case = self.layer.case
        _, _, rows, columns = case.out_shape
        if name == "x":
            return self._product(np.eye(case.N), np.ones((case.F, case.C)), self._windows(0), self._windows(1))
        seen = case.C * case.HH * case.WW if name == "w" else 1
        return self._product(np.ones((case.N, 1)), np.eye(case.F), np.ones((rows * columns, seen)))

    def _windows(self, axis: int) -> Array:
        """Say which positions of an axis each window sees, (H', H)."""
        case = self.layer.case
        size, kernel = ((case.H, case.HH), (case.W, case.WW))[axis]
        stride, pad = case.geometry["stride"][axis], case.geometry["pad"][axis]
        first = np.arange(case.out_shape[2 + axis])[:, None] * stride - pad
        seen: Array = (first <= np.arange(size)) & (np.arange(size) < first + kernel)
        return seen

    def _product(self, *factors: Array) -> Any:
        product = self._sparse.csr_matrix(np.ones((1, 1), np.int8))
        for factor in factors:
            product = self._sparse.kron(product, self._sparse.csr_matrix(factor.astype(np.int8)), format="csr")
        return product


class GradcheckSlow(Tool):
    """`torch.autograd.gradcheck`: the Jacobian by columns numerically, by rows (one backward each) analytically."""

    coverage = EVERY_ELEMENT
    fast_mode = False

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer)
        self._torch: Any = importlib.import_module("torch")
        self._gradcheck: Any = importlib.import_module("torch.autograd.gradcheck")

    def check(self, backward: Backward) -> str:
        """Check, with the default step and tolerances."""
        leaves = [self._torch.tensor(value, requires_grad=True) for value in self.layer.inputs.values()]
        function = self._function(backward)
        right = self._gradcheck.gradcheck(function, leaves, fast_mode=self.fast_mode, raise_exception=False)
        return PASS if right else FAIL

    def _function(self, backward: Backward) -> Any:
        torch, function, forward = self._torch, self._torch.autograd.Function, self.layer.forward

        class Convolution(function):  # type: ignore[misc, valid-type]  # torch is imported by name, and so not typed
            @staticmethod
            def forward(ctx: Any, *inputs: Any) -> Any:
                out, ctx.cache = forward(*(value.detach().numpy() for value in inputs))
                return torch.from_numpy(out)

            @staticmethod
            def backward(ctx: Any, cotangent: Any) -> Any:
                return tuple(torch.from_numpy(gradient) for gradient in backward(cotangent.numpy(), ctx.cache))

        return Convolution.apply


class GradcheckFast(GradcheckSlow):
    """Its fast mode: for each input one random direction of the input and one of the output."""

    coverage = ONE_DIRECTION
    fast_mode = True

    def judge(self, backward: Backward) -> str:
        """Spare the slow mode, which runs on a failure, after the verdict, to word the message."""
        self._gradcheck._run_slow_mode_and_get_error = lambda *_: ""  # noqa: SLF001
        return self.check(backward)


class JaxCheckGrads(Tool):
    """`jax.test_util.check_grads` in reverse mode: one random direction of all inputs, and one of the output."""

    coverage = ONE_DIRECTION

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer)
        self._jax: Any = importlib.import_module("jax")
        self._check_grads: Callable[..., None] = importlib.import_module("jax.test_util").check_grads
        self._jax.config.update("jax_enable_x64", val=True)
        self._jax.numpy.zeros(1).block_until_ready()  # starts its runtime, which is no part of a check

    def check(self, backward: Backward) -> str:
        """Check, with the default step and tolerances."""
        inputs = [self._jax.numpy.asarray(value) for value in self.layer.inputs.values()]
        try:
            self._check_grads(self._function(backward), inputs, order=1, modes=("rev",))
        except AssertionError:
            return FAIL
        return PASS

    def _function(self, backward: Backward) -> Any:
        jax, layer = self._jax, self.layer
        out_type = jax.ShapeDtypeStruct(layer.cotangent.shape, layer.cotangent.dtype)
        gradient_types = tuple(jax.ShapeDtypeStruct(value.shape, value.dtype) for value in layer.inputs.values())

        def run_forward(*inputs: Any) -> Array:
            return layer.forward(*map(np.asarray, inputs))[0]

        def run_backward(cotangent: Any, *inputs: Any) -> tuple[Array, ...]:
            # A callback hands on arrays only, so the cache is made anew: one more evaluation than needed.
            _, cache = layer.forward(*map(np.asarray, inputs))
            return backward(np.asarray(cotangent), cache)

        @jax.custom_vjp  # type: ignore[untyped-decorator]
        def convolution(*inputs: Any) -> Any:
            return jax.pure_callback(run_forward, out_type, *inputs)

        def forward_rule(*inputs: Any) -> Any:
            return convolution(*inputs), inputs

        def backward_rule(inputs: Any, cotangent: Any) -> Any:
            return jax.pure_callback(run_backward, gradient_types, cotangent, *inputs)

        convolution.defvjp(forward_rule, backward_rule)
        return convolution


#: By the names that `--tool` takes, in the order of the table. `OURS` is the one that ratios are taken to.
OURS = "convcheck"
SLOW = "gradcheck slow"
TOOLS: dict[str, type[Tool]] = {
    OURS: Convcheck,
    "notebook loop": NotebookLoop,
    "same dtype": SameDtype,
    SLOW: GradcheckSlow,
    "gradcheck fast": GradcheckFast,
    "jax check_grads": JaxCheckGrads,
    "scipy groups": SciPyGroups,
}
