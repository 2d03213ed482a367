"""Faults of attention as students write them; each is named, and right code has no diagnosis."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from gradcheck_cli import Verdict
from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.attention.attention import AttentionCase
from gradcheck_cli.layers.attention.multihead_attention import MultiheadAttentionCase
from tests.layers.lines import assert_named, run_lines
from tests.sampling import in_parts, one_in

if TYPE_CHECKING:
    from pathlib import Path

#: Of arrays with heads between samples and steps; `t` exchanges the last two axes.
FORWARD = {
    "s": "q @ t(k) / np.sqrt(q.shape[-1])",
    "seen": "s if mask is None else np.where(mask, s, -np.inf)",
    "e": "np.exp(seen - seen.max(-1, keepdims=True))",
    "p": "e / e.sum(-1, keepdims=True)",
    "out": "p @ v",
}
BACKWARD = {
    "dv": "t(p) @ dout",
    "dp": "dout @ t(v)",
    "ds": "p * (dp - (dp * p).sum(-1, keepdims=True))",
    "dq": "ds @ k / np.sqrt(q.shape[-1])",
    "dk": "t(ds) @ q / np.sqrt(q.shape[-1])",
}

FAULTS: list[tuple[str, dict[str, str]]] = [
    ("softmax-sum", {"ds": "p * dp"}),
    ("softmax-sum", {"ds": "p * (dp + (dp * p).sum(-1, keepdims=True))"}),
    ("softmax-sum", {"ds": "p * (dp - dp.sum(-1, keepdims=True))"}),
    ("diagonal-only", {"ds": "dp * p * (1 - p)"}),
    ("slope-missing", {"ds": "dp"}),
    ("normalized-axes", {"ds": "p * (dp - (dp * p).sum(-2, keepdims=True))"}),
    ("factor", {"dq": "ds @ k", "dk": "t(ds) @ q"}),
    ("factor", {"dq": "ds @ k / q.shape[-1]", "dk": "t(ds) @ q / q.shape[-1]"}),
    ("attention-weights", {"dv": "t(s) @ dout"}),
    ("matrix-not-transposed", {"dv": "p @ dout"}),
    ("matrix-not-transposed", {"dk": "ds @ q / np.sqrt(q.shape[-1])"}),
]
#: Backward goes with each wrong forward.
FORWARD_FAULTS: list[tuple[str, dict[str, str]]] = [
    ("scale-missing", {"s": "q @ t(k)"}),
    ("normalized-axes", {"e": "np.exp(seen - seen.max())", "p": "e / e.sum(-2, keepdims=True)"}),
    ("mask-ignored", {"seen": "s"}),
    ("mask-ignored", {"seen": "np.where(mask, s, 0)"}),
    ("mask-inverted", {"seen": "np.where(mask, -1e9, s)"}),
]


def t(array: Any) -> Any:
    return array.swapaxes(-1, -2)


def attention(ahead: dict[str, str], back: dict[str, str]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def forward(q: Any, k: Any, v: Any, attn_param: Any) -> Any:
        found = run_lines(ahead, q=q, k=k, v=v, mask=attn_param["mask"], t=t)
        return found["out"], found

    def backward(dout: Any, cache: Any) -> Any:
        found = run_lines(back, **{**cache, "dout": dout})
        return found["dq"], found["dk"], found["dv"]

    return forward, backward


@in_parts(2)
def test_faults_of_attention_are_named(part: int) -> None:
    cases = AttentionCase.rows("N T S D E mask", (2, 3, 3, 4, 4, "none"), (2, 3, 3, 5, 2, "causal"))
    assert_named("right", cases, attention(FORWARD, BACKWARD), None)
    for code, fault in FAULTS[part::2]:
        assert_named(str(fault), cases, attention(FORWARD, {**BACKWARD, **fault}), code)
    for code, fault in FORWARD_FAULTS[part::2]:
        tried = cases[1:] if code.startswith("mask") else cases[:1]
        also = ["reference-gradient", "own-function", "factor"]
        assert_named(str(fault), tried, attention({**FORWARD, **fault}, BACKWARD), code, also)


MULTIHEAD = {
    "split": "lambda x: x.reshape(len(x), -1, H, x.shape[-1] // H).swapaxes(1, 2)",
    "join": "lambda x: x.swapaxes(1, 2).reshape(len(x), -1, D)",
    "dsplit": "split",
    "djoin": "join",
    "through": "g @ Wo.T",
    "dout": "dsplit(through)",
    **BACKWARD,
    "dquery": "djoin(dq) @ Wq.T",
    "dkey": "djoin(dk) @ Wk.T",
    "dvalue": "djoin(dv) @ Wv.T",
    "dWq": "np.einsum('ntd,nte->de', query, djoin(dq))",
    "dWk": "np.einsum('ntd,nte->de', key, djoin(dk))",
    "dWv": "np.einsum('ntd,nte->de', value, djoin(dv))",
    "dWo": "np.einsum('ntd,nte->de', joined, g)",
}
NAMES = ("query", "key", "value", "Wq", "Wk", "Wv", "Wo")
MULTIHEAD_FAULTS: list[tuple[str, dict[str, str]]] = [
    ("reshaped-not-transposed", {"dsplit": "lambda x: x.reshape(len(x), H, -1, x.shape[-1] // H)"}),
    ("reshaped-not-transposed", {"djoin": "lambda x: x.reshape(len(x), -1, D)"}),
    ("scale-missing", {"dq": "ds @ k / np.sqrt(D)", "dk": "t(ds) @ q / np.sqrt(D)"}),
    ("scale-missing", {"dq": "ds @ k", "dk": "t(ds) @ q"}),
    ("softmax-sum", {"ds": "p * dp"}),
    ("matrix-not-transposed", {"dkey": "djoin(dk) @ Wk"}),
    ("matrix-not-transposed", {"through": "g @ Wo"}),
]


def multihead(fault: dict[str, str]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    lines = {**MULTIHEAD, **fault}

    def forward(*given: Any) -> Any:
        *arrays, param = given
        values: dict[str, Any] = {
            **dict(zip(NAMES, arrays, strict=True)),
            "H": param["H"],
            "D": arrays[0].shape[2],
            "t": t,
        }
        heads = {name: MULTIHEAD[name] for name in ("split", "join")} | {
            name: f"split({x} @ W{name})" for name, x in (("q", "query"), ("k", "key"), ("v", "value"))
        }
        ahead = {**heads, **FORWARD, "joined": "join(out)", "final": "joined @ Wo"}
        found = run_lines(ahead, **values, mask=param["mask"])
        return found["final"], found

    def backward(dout: Any, cache: Any) -> Any:
        found = run_lines(lines, **{**cache, "g": dout})
        return tuple(found[f"d{name}"] for name in NAMES)

    return forward, backward


def test_faults_of_several_heads_are_named() -> None:
    case = MultiheadAttentionCase(N=2, T=3, S=2, D=4, H=2)
    assert_named("right", [case], multihead({}), None)
    for code, fault in MULTIHEAD_FAULTS:
        assert_named(str(fault), [case], multihead(fault), code)


TEXT = """
import numpy as np

def attention_forward(Q, K, V{argument}):
    s = Q @ K.transpose(0, 2, 1) / np.sqrt(Q.shape[-1])
    {hide}
    e = np.exp(s - s.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)
    return p @ V, (Q, K, V, p)

def attention_backward(dout, cache):
    Q, K, V, p = cache
    dp = dout @ V.transpose(0, 2, 1)
    ds = p * (dp - (dp * p).sum(-1, keepdims=True)) / np.sqrt(Q.shape[-1])
    return ds @ K, ds.transpose(0, 2, 1) @ Q, p.transpose(0, 2, 1) @ dout
"""
TRIL = "np.tril(np.ones(s.shape[1:]))"
#: By what the header says: the argument, the line, and how many cases are skipped, also where conventions differ, as
#: for a causal mask of fewer queries than keys.
FORMS = {
    "attention_forward(Q, K, V, mask)": (", mask=None", "s = s if mask is None else np.where(mask, s, -1e9)", 0),
    "a mask that is True where a key is hidden": (", mask", "s[:, mask] = -np.inf", 0),
    "a mask that is added": (", attn_mask=None", "s = s if attn_mask is None else s + attn_mask", 0),
    "always causal": ("", f"s = np.where({TRIL} > 0, s, -np.inf)", 7),
    "attention_forward(Q, K, V, causal)": (", causal=False", f"s = np.where({TRIL} > 0, s, -1e9) if causal else s", 2),
    "attention_forward(Q, K, V)": ("", "pass", 3),
}


@pytest.mark.parametrize("said", one_in(3, FORMS))
def test_masks_are_passed_as_they_are_wanted(said: str, tmp_path: Path) -> None:
    argument, hide, skipped = FORMS[said]
    path = tmp_path / f"attention{list(FORMS).index(said)}.py"
    path.write_text(TEXT.format(argument=argument, hide=hide), encoding="utf-8")
    implementation = find(str(path), LAYERS["attention"])
    assert said in (implementation.convention or "")
    verdicts = [check_case(case, implementation, Settings()).verdict for case in LAYERS["attention"].standard()]
    assert verdicts.count(Verdict.SKIP) == skipped
    assert verdicts.count(Verdict.PASS) == len(verdicts) - skipped
