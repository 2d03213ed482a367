"""What hostile files have their process say in the name of the checker."""

from __future__ import annotations

_ANSWER = """import gradcheck_cli.guard.child as c, gradcheck_cli.guard.protocol as p
def encode(a, encode=c.encode):
    try: {change}
    except (TypeError, KeyError, IndexError, AttributeError): pass
    return encode(a)
c.encode = encode"""
_READING = """import dataclasses, gradcheck_cli.engine.inside as i
i._implementation_of = lambda *a, old=i._implementation_of: dataclasses.replace(old(*a), {changed})"""

#: Answers that the process of user code gives in its own name, for a layer with a wrong gradient.
FORGERIES = {
    "nothing to learn": _ANSWER.format(change="a.value['calls'][0]['left'] = 'none'"),
    "an odd state": _ANSWER.format(change="a.value['calls'][0]['left'] = '7' * 9"),
    "no gradient": _ANSWER.format(change="a.value['calls'][-1]['gradients'].clear()"),
    "a number": _ANSWER.format(change="a.value['calls'][0] = 5"),
    "no arrays": _ANSWER.format(change="a = p.Answer(a.value)"),
    "a class without a name": _ANSWER.format(change="a.value['calls'][0]['out'] = {'type': ''}"),
    "an array of another size": _ANSWER.format(change="a = p.Answer(a.value, [np.zeros(7)] * len(a.arrays))"),
    "numbers of another kind": _ANSWER.format(change="a = p.Answer(a.value, [np.ones(3, bool)] * len(a.arrays))"),
    "skipped at once": _ANSWER.format(change="a = p.Answer({'inexpressible': '\\x1b[2J'})"),
    "skipped in a call": _ANSWER.format(change="a = p.Answer({'calls': [{'inexpressible': 'x'}], 'goes_on': False})"),
    "missing": _ANSWER.format(change="a = p.Answer({'missing': ['\\x1b[2J::error::' * 999, None]})"),
    "a bug": _ANSWER.format(change="a = p.Answer({'error': {'reason': 'r', 'bug': 'Traceback'}})"),
    "an error without a reason": _ANSWER.format(change="a = p.Answer({'error': {'traceback': 5}})"),
    "the answer before": _ANSWER.format(change="a, before[:] = (before or [a])[0], [a]") + "\nbefore = []",
    "fewer answers": _ANSWER.format(change="a.value['calls'].pop()"),
    "more answers": _ANSWER.format(change="a.value['calls'].append(a.value['calls'][0])"),
    "given constants": _ANSWER.format(change="a.value['given'] = [['x'], [], ['x']]; a.arrays[:] = [np.ones(3)]"),
    "no input": _READING.format(changed="absent=('x',)"),
    "another file": _READING.format(changed="name='other.py:f,g', spec='/other.py:f,g'"),
    "a built-in name": _READING.format(changed="name='exact', spec='exact'"),
    "no outputs": _READING.format(changed="outputs=(), cotangents=('a', 'b'), order=('q',)"),
    "long words": _READING.format(changed="convention='c' * 10**6, warnings=('\\x1b[2J' * 9999,) * 999"),
}

_SURVEY = """import gradcheck_cli.guard.child as c, json
def encode(a, encode=c.encode):
    v = json.loads(json.dumps(a.value))
    if isinstance(v, dict) and '{key}' in v: {change}
    return encode(a._replace(value=v))
c.encode = encode"""

#: What a file says is in it, and how that is checked.
SURVEYS = {
    name: _SURVEY.format(key=key, change=change)
    for name, key, change in (
        ("an offer without names", "offers", "v['offers'][0].update(names=[], spec='wrong.py:')"),
        ("an offer of no layer", "offers", "v['offers'][0]['layers'] = ['no', 'layer']"),
        ("a pass of no layer", "offers", "v['halves'] = [{**v['offers'][0], 'layers': []}]"),
        ("another file", "offers", "v['offers'][0]['spec'] = 'wrong.py:/../right.py:' + v['offers'][0]['spec'][9:]"),
        ("an unknown layer", "layer", "v['layer'] = 'no layer'"),
        ("an unknown dtype", "layer", "v['dtype'] = 'float8'"),
        ("cases of another layer", "layer", "v['cases'] = [{'layer': 'conv', 'N': 3}]"),
        ("a case without an end", "layer", "v['cases'] = [{'layer': 'function', 'shape': {'x': [10**9]}}]"),
        ("odd names", "layer", "v['cases'] = [{'layer': 'function', 'shape': {'\\x1b[2J': [2]}}]"),
        ("many cases", "layer", "v['cases'] = 1000 * [{'layer': 'function', 'shape': {'x': [2]}}]"),
    )
}
