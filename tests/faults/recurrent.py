"""Recurrent layers with one fault each, as people make them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck_cli.layers.recurrent.lstm import lstm_forward, lstm_step_backward, lstm_step_forward
from gradcheck_cli.layers.recurrent.rnn import rnn_forward, rnn_step_backward, rnn_step_forward
from tests.faults.layer_fault import in_backward


@in_backward("rnn-step", rnn_step_forward, "slope-missing")
def slope_forgotten(dnext_h: Any, cache: Any) -> Any:
    return rnn_step_backward(dnext_h, cache._replace(slope=np.ones_like(cache.slope)))


def _through_time(
    step: Any, dh: Any, caches: Any, *, carry: bool = True, upstream: bool = True, cell: bool = True, add: bool = True
) -> Any:
    dxs: list[Any] = []
    totals: list[Any] = []
    states = [np.zeros_like(dh[:, 0])] * (1 if step is rnn_step_backward else 2)
    for t in reversed(range(dh.shape[1])):
        into = dh[:, t] if upstream or t == dh.shape[1] - 1 else 0
        first = into + (states[0] if carry else 0)
        dx, *rest = step(first, *(state if cell else 0 * state for state in states[1:]), caches[t])
        states, shares = rest[: len(states)], rest[len(states) :]
        totals = [total + share for total, share in zip(totals, shares, strict=True)] if totals and add else shares
        dxs.append(dx)
    return np.stack(dxs[::-1], axis=1), states[0], *totals


@in_backward("rnn", rnn_forward, "not-carried-back")
def not_carried_back(dh: Any, caches: Any) -> Any:
    return _through_time(rnn_step_backward, dh, caches, carry=False)


@in_backward("rnn", rnn_forward, "upstream-missing")
def upstream_not_added(dh: Any, caches: Any) -> Any:
    return _through_time(rnn_step_backward, dh, caches, upstream=False)


@in_backward("rnn", rnn_forward, "assigned-not-accumulated")
def weights_of_one_step(dh: Any, caches: Any) -> Any:
    return _through_time(rnn_step_backward, dh, caches, add=False)


@in_backward("lstm", lstm_forward, "assigned-not-accumulated")
def gate_weights_of_one_step(dh: Any, caches: Any) -> Any:
    return _through_time(lstm_step_backward, dh, caches, add=False)


@in_backward("rnn", rnn_forward, "slope-missing")
def slope_forgotten_in_each_step(dh: Any, caches: Any) -> Any:
    return _through_time(rnn_step_backward, dh, [cache._replace(slope=np.ones_like(cache.slope)) for cache in caches])


@in_backward("lstm", lstm_forward, "not-carried-back")
def hidden_not_carried_back(dh: Any, caches: Any) -> Any:
    return _through_time(lstm_step_backward, dh, caches, carry=False)


@in_backward("lstm", lstm_forward, "cell-not-carried-back")
def cell_not_carried_back(dh: Any, caches: Any) -> Any:
    return _through_time(lstm_step_backward, dh, caches, cell=False)


@in_backward("lstm", lstm_forward, "forget-gate")
def forget_gate_left_out(dh: Any, caches: Any) -> Any:
    return _through_time(without_forget_gate, dh, caches)


@in_backward("lstm", lstm_forward, "output-tanh")
def output_tanh_left_out(dh: Any, caches: Any) -> Any:
    return _through_time(without_output_tanh, dh, caches)


@in_backward("lstm", lstm_forward, "gate-columns-permuted")
def gates_mixed_up(dh: Any, caches: Any) -> Any:
    return _through_time(gates_joined_in_another_order, dh, caches)


@in_backward("lstm-step", lstm_step_forward, "forget-gate")
def without_forget_gate(dnext_h: Any, dnext_c: Any, cache: Any) -> Any:
    dx, dprev_h, _, *rest = lstm_step_backward(dnext_h, dnext_c, cache)
    return dx, dprev_h, dnext_c + dnext_h * cache.o * cache.cell_slope, *rest


@in_backward("lstm-step", lstm_step_forward, "output-tanh")
def without_output_tanh(dnext_h: Any, dnext_c: Any, cache: Any) -> Any:
    return lstm_step_backward(dnext_h, dnext_c, cache._replace(cell_slope=np.ones_like(cache.cell_slope)))


@in_backward("lstm-step", lstm_step_forward, "gate-columns-permuted")
def gate_order(dnext_h: Any, dnext_c: Any, cache: Any) -> Any:
    dx, dprev_h, dprev_c, *rest = lstm_step_backward(dnext_h, dnext_c, cache)
    return dx, dprev_h, dprev_c, *(_swapped(array) for array in rest)


@in_backward("lstm-step", lstm_step_forward, "gate-columns-permuted")
def gates_joined_in_another_order(dnext_h: Any, dnext_c: Any, cache: Any) -> Any:
    dc = dnext_c + dnext_h * cache.o * cache.cell_slope
    di, df, do, dg = np.split(cache.slopes, 4, axis=1)
    da = np.hstack([di * dc * cache.g, df * dc * cache.prev_c, dg * dc * cache.i, do * dnext_h * cache.tanh_c])
    dx, dprev_h, dprev_c = da @ cache.Wx.T, da @ cache.Wh.T, dc * cache.f
    return dx, dprev_h, dprev_c, cache.x.T @ da, cache.prev_h.T @ da, da.sum(axis=0)


def _swapped(array: Any) -> Any:
    i, f, o, g = np.split(array, 4, axis=-1)
    return np.concatenate([i, f, g, o], axis=-1)
