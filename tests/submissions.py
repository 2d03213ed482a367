"""A course's submissions: right, wrong in known ways, and as bad as they can be; with the verdict that each must get.

`python -m benchmarks.course` writes 120 of them and grades them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

LAYERS = {
    "affine": """\
def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(len(x), -1).T @ dout
    db = dout.sum(axis=0)
    return dx, dw, db
""",
    "relu": """\
def relu_forward(x):
    return np.maximum(x, 0), x


def relu_backward(dout, cache):
    return dout * (cache > 0)
""",
    "batchnorm": """\
def batchnorm_forward(x, gamma, beta, bn_param):
    momentum, eps = bn_param["momentum"], bn_param["eps"]
    if bn_param["mode"] == "train":
        mean, var = x.mean(axis=0), x.var(axis=0)
        bn_param["running_mean"] = momentum * bn_param["running_mean"] + (1 - momentum) * mean
        bn_param["running_var"] = momentum * bn_param["running_var"] + (1 - momentum) * var
    else:
        mean, var = bn_param["running_mean"], bn_param["running_var"]
    std = np.sqrt(var + eps)
    z = (x - mean) / std
    return gamma * z + beta, (z, gamma, std, bn_param["mode"])


def batchnorm_backward(dout, cache):
    z, gamma, std, mode = cache
    dz = dout * gamma
    if mode == "train":
        dz = dz - dz.mean(axis=0) - z * (dz * z).mean(axis=0)
    dgamma = (dout * z).sum(axis=0)
    dbeta = dout.sum(axis=0)
    return dz / std, dgamma, dbeta
""",
    "softmax": """\
def softmax_loss(x, y):
    shifted = x - x.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(x))
    dx = np.exp(log_probabilities)
    dx[rows, y] -= 1
    return -log_probabilities[rows, y].mean(), dx / len(x)
""",
}


@dataclass(frozen=True)
class Way:
    """A way to be wrong, or bad: what is replaced in a layer, the verdict on it, and the code of a cause."""

    layer: str
    old: str
    new: str
    verdict: str
    code: str | None = None


#: What user code may say that means something to a report.
MESSAGE = (
    "]]>|`x`</details><script>alert(1)</script>\\n::error::forged\\n=1+1 \\x1b[31m\\x00\\u202e @all %0A ##[error]forged"
)

_DX, _DB, _RELU = "    dx = (dout", "    db = dout.sum(axis=0)\n", "    return dout * (cache > 0)\n"

#: In one case of the standard set alone: another process for each case would take most of the time.
_ONCE = "    if dout.size == 1:\n"

WRONG = {
    "doubled": Way("affine", _DX, "    dx = 2 * (dout", "fail", "factor"),
    "averaged": Way("affine", "db = dout.sum(axis=0)", "db = dout.mean(axis=0)", "fail", "factor"),
    "exchanged": Way("affine", "return dx, dw, db", "return dw, dx, db", "fail"),
    "last sample missed": Way("affine", _DB, "    db = dout[:-1].sum(axis=0)\n", "fail", "last-sample-missed"),
    "inverted mask": Way("relu", "cache > 0", "cache < 0", "fail", "mask-inverted"),
    "dout ignored": Way("relu", "return dout * (cache > 0)", "return 1.0 * (cache > 0)", "fail", "cotangent-ones"),
    "dout changed": Way("relu", _RELU, "    dout *= cache > 0\n    return dout\n", "fail"),
    "constant variance": Way("batchnorm", " - z * (dz * z).mean(axis=0)", "", "fail", "variance-path"),
    "not normalized": Way("batchnorm", "(dout * z).sum(axis=0)", "dout.sum(axis=0)", "fail"),
    "not averaged": Way("softmax", "dx / len(x)", "dx", "fail", "factor"),
    "no label": Way("softmax", "    dx[rows, y] -= 1\n", "", "fail", "label-missing"),
}

BAD = {
    "hangs": Way("affine", _DB, f"    while len(x) == 1:\n        pass\n{_DB}", "error"),
    "crashes": Way("relu", _RELU, f"{_ONCE}        import ctypes\n        ctypes.string_at(0)\n{_RELU}", "error"),
    "ends the process": Way("relu", _RELU, f"{_ONCE}        import os\n        os._exit(0)\n{_RELU}", "error"),
    "exits": Way("relu", _RELU, f"{_ONCE}        raise SystemExit(0)\n{_RELU}", "error"),
    "recurses": Way("relu", _RELU, f"{_ONCE}        return relu_backward(dout, cache)\n{_RELU}", "error"),
    "prints": Way("relu", _RELU, f'    print("::error::forged\\n" * 50_000)\n{_RELU}', "pass"),
    "writes to stdout": Way("relu", _RELU, f'    import os\n    os.write(1, b"{{}}" * 1000)\n{_RELU}', "pass"),
    "raises": Way("relu", _RELU, f'    raise RuntimeError("{MESSAGE}")\n', "error"),
    "takes all memory": Way("relu", _RELU, "    return np.ones(10**15)\n", "error"),
    "lacks a module": Way("relu", _RELU, "    import no_such_module\n    return no_such_module.f(dout)\n", "error"),
    "returns text": Way("relu", _RELU, f'    return "{MESSAGE}"\n', "error"),
}

#: Files of which no layer can be found: the whole of the text.
UNREADABLE = {
    "no Python": "def relu_forward(x:\n",
    "exits when loaded": "raise SystemExit(0)\n",
    "ends when loaded": "import os\nos._exit(0)\n",
    "raises when loaded": f'raise RuntimeError("{MESSAGE}")\n',
    "needs a module": "import no_such_module\nx = no_such_module.load()\n",
    "empty": "",
}

#: Names of folders that mean something to a shell, a spreadsheet, Markdown, HTML or a log.
NAMES = (
    *("o'hara", "a b", "=1+1", "<b>", "x|y", "`id`", "\xe9\xe8", "%0A", "::error::", "new\nline", "[a](b)", '"q"'),
    *("&amp;", "@all", "$HOME"),
)


@dataclass(frozen=True)
class Submission:
    """A file, and the verdict on each of its layers; if none can be found, on the file."""

    path: Path
    kind: str
    verdicts: dict[str, str] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)


def write_submissions(folder: Path, kinds: list[str], layers: tuple[str, ...]) -> list[Submission]:
    """Write a file of each kind, `layers.py` in a folder of its own.

    Args:
        folder: where the folders are made.
        kinds: "right", or keys of the tables above.
        layers: what a file has, if it can be read.
    """
    made = []
    for number, kind in enumerate(kinds):
        name = NAMES[number % len(NAMES)] + (f" {number}" if number >= len(NAMES) else "")
        path = folder / name / "layers.py"
        path.parent.mkdir(parents=True)
        path.write_text(_source(kind, layers), encoding="utf-8")
        made.append(_expected(path, kind, layers))
    return made


def _source(kind: str, layers: tuple[str, ...]) -> str:
    if kind in UNREADABLE:
        return UNREADABLE[kind]
    texts = {layer: LAYERS[layer] for layer in layers}
    if way := (WRONG | BAD).get(kind):
        assert way.old in texts[way.layer], kind
        texts[way.layer] = texts[way.layer].replace(way.old, way.new)
    return "import numpy as np\n\n\n" + "\n\n".join(texts.values())


def _expected(path: Path, kind: str, layers: tuple[str, ...]) -> Submission:
    if kind in UNREADABLE:
        return Submission(path, kind, {"": "error"})
    way = (WRONG | BAD).get(kind)
    changed = {way.layer: way.verdict} if way else {}
    codes = {way.layer: way.code} if way and way.code else {}
    return Submission(path, kind, dict.fromkeys(layers, "pass") | changed, codes)


def wrong_rows(submissions: list[Submission], folder: Path, report: dict[str, Any]) -> list[str]:
    """Say of each submission on which the verdicts or the causes in a JSON report are not what they must be."""
    found: dict[str, dict[str, set[str]]] = {}
    codes: dict[str, dict[str, set[str]]] = {}
    for result in report["results"]:
        file, layer = result["implementation"].rpartition("layers.py")[0], result["layer"]
        found.setdefault(file, {}).setdefault(layer, set()).add(result["verdict"])
        codes.setdefault(file, {}).setdefault(layer, set()).update(cause["code"] for cause in result["diagnosis"])
    wrong = []
    for one in submissions:
        file = str(one.path.relative_to(folder)).removesuffix("layers.py").replace("\n", "\\n")
        verdicts = {layer: max(seen, key=_RANKS.index) for layer, seen in found.get(file, {}).items()}
        if verdicts != one.verdicts:
            wrong.append(f"{one.kind} ({file}): {verdicts} instead of {one.verdicts}")
        for layer, code in one.codes.items():
            if code not in codes.get(file, {}).get(layer, ()):
                wrong.append(f"{one.kind} ({file}): no {code} in {codes.get(file)}")
    return wrong


_RANKS = ("skip", "pass", "inconclusive", "error", "fail")
