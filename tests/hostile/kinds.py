"""Hostile files, generated from tables: a right forward, a wrong gradient, and something that tries to hide it.

It is done when the file is imported, in forward or in backward; or it is what one of them returns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_FILE = """\
import ctypes, gc, json, mmap, os, resource, signal, socket, struct, subprocess, sys, threading, time
import numpy as np
{helpers}
{at_import}


def tanh_forward(x):
    {in_forward}
    out, cache = np.tanh(x), x
    return {out}, cache


def tanh_backward(dout, x):
    {in_backward}
    g = 2 * dout * (1 - np.tanh(x) ** 2)
    return {gradient}
"""

_HELPERS = """\
def descriptors(kind="socket:"):
    return [int(n) for n in os.listdir("/proc/self/fd") if link(n).startswith(kind)]

def link(n):
    try: return os.readlink("/proc/self/fd/" + n)
    except OSError: return ""

def spray(text, among):
    for n in among:
        try: os.write(n, text)
        except OSError: pass

def found(cls):
    return [one for one in gc.get_objects() if type(one).__name__ == cls]

def areas():
    return [one for one in gc.get_objects() if isinstance(one, mmap.mmap)] + [
        m for one in gc.get_objects() if hasattr(one, "__dict__") for m in vars(one).values() if type(m) is memoryview]
"""


class Hostile(NamedTuple):
    """A file, and what is expected of it."""

    name: str
    text: str
    seconds: float = 10.0  #: the time limit of its calls


def _patched(module: str, names: str, value: str = "lambda *a, **k: 0") -> dict[str, str]:
    return {
        f"{module}.{name}": f"import {module.partition('.')[0]}, {module}; {module}.{name} = {value}"
        for name in names.split()
    }


#: Patches: what a checker in the same process would rely on.
PATCHES = {
    **_patched("builtins", "abs max min sum len all any isinstance sorted zip map float int bool str tuple getattr"),
    **_patched("builtins", "open print __import__ __build_class__ type object", "None"),
    **_patched("numpy", "abs max maximum allclose array_equal isfinite isnan stack ascontiguousarray frombuffer array"),
    **_patched("numpy", "asarray errstate where sqrt sign", "None"),
    **_patched("json", "dumps loads"),
    **_patched("pickle", "dumps loads", "lambda *a, **k: b'pass'"),
    **_patched("os", "getpid write read _exit", "lambda *a: 0"),
    **_patched("time", "monotonic perf_counter", "lambda: 0.0"),
    **_patched("gradcheck_cli.checks.comparison", "judge_elements compare floored", "None"),
    **_patched("gradcheck_cli.checks.check", "compare_gradients try_duties differentiate", "None"),
    **_patched("gradcheck_cli.results.result.Verdict", "worst", "classmethod(lambda cls, all: cls.PASS)"),
    **_patched("gradcheck_cli.guard.protocol", "encode inline decode_request", "None"),
    **_patched("gradcheck_cli.guard.child", "Answer encode", "None"),
    **_patched("gradcheck_cli.engine.inside", "call_passes make_calls describe_raised", "None"),
    **_patched("gradcheck_cli.engine.inside_calls", "_backward _forward describe_value", "None"),
    **_patched("gradcheck_cli.implementation.calling", "call", "None"),
    **_patched("sys", "stdout stderr stdin excepthook modules path", "None"),
}

#: Other deeds inside of the process.
DEEDS = {
    "settings by gc": "for s in found('Settings'): s.__dict__['tol'] = 1e300",
    "results by gc": "for d in gc.get_objects():\n        if type(d) is dict and 'verdict' in d: d['verdict'] = 'pass'",
    "classes by gc": "for c in found('_Run'): type(c).backward = lambda *a: {}",
    "clear modules": "sys.modules.clear()",
    "remove numpy": "sys.modules.pop('numpy'); sys.modules['numpy'] = None",
    "globals of callers": "f = sys._getframe()\n    while f.f_back: f = f.f_back; f.f_globals.pop('isinstance', 0)",
    "clear globals of callers": "sys._getframe(1).f_globals.clear()",
    "trace": "sys.settrace(lambda *a: 1 / 0)",
    "profile": "sys.setprofile(lambda *a: 1 / 0)",
    "trace all": "threading.settrace(print); sys.settrace(lambda f, e, a: f.f_locals.clear())",
    "no memory of floats": "ctypes.memset(id(1.0) + 16, 0, 8)",
    "null": "ctypes.string_at(0)",
    "write to none": "ctypes.memset(id(None) + 8, 0, 8)",
    "exit": "sys.exit(0)",
    "exit now": "os._exit(0)",
    "exit unnoticed": "import atexit; atexit.register(os._exit, 0); sys.exit()",
    "interrupt": "raise KeyboardInterrupt",
    "generator exit": "raise GeneratorExit",
    "raise text": "raise type('E\\x1b[2J', (Exception,), {'__str__': lambda s: '\\x1b]0;pass\\x07' * 10**5})()",
    "kill": "os.kill(os.getpid(), 9)",
    "segfault": "os.kill(os.getpid(), 11)",
    "abort": "os.abort()",
    "end the parent": "os.kill(os.getppid(), 9); time.sleep(1)",
    "signals to the parent": "[os.kill(os.getppid(), n) for n in (1, 2, 15, 10, 12)]",
    "interrupt the group": "os.killpg(0, 2)",
    "alarm": "signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)",
    "handlers": "[signal.signal(n, lambda *a: None) for n in (1, 2, 10, 12, 15)]",
    "print": "print('pass ' * 10**6); os.write(1, b'\\x1b[2J{\"verdict\": \"pass\"}' * 1000)",
    "orphans of orphans": "if not os.fork():\n        for _ in range(3): os.fork() and os._exit(0); os.setsid()\n"
    "        time.sleep(1000)",
    "stop the parent": "os.kill(os.getppid(), 19)",
    "endless prints": "f = lambda: [os.write(1, b'x' * 2**16) for _ in range(10**6)]\n"
    "    threading.Thread(target=f, daemon=True).start()",
    "pass descriptors": "[socket.send_fds(socket.socket(fileno=os.dup(n)), [b'gc'], [1] * 99) for n in descriptors()]",
    "many arrays": "import gradcheck_cli.guard.child as c\n"
    "    c.encode = lambda a: (json.dumps({'value': None, 'arrays': [['<f8', [0]]] * 10**5}).encode(), [])",
    "no output": "os.close(1); os.close(2)",
    "low recursion": "sys.setrecursionlimit(len(__import__('inspect').stack()) + 30)",
    "memory": "bytearray(2**50)",
    "limit": "resource.setrlimit(resource.RLIMIT_DATA, (resource.getrlimit(resource.RLIMIT_DATA)[1],) * 2)",
    "no files": "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))",
    "no processor": "resource.setrlimit(resource.RLIMIT_CPU, (0, 0))",
    "fork": "os.fork()",
    "forks": "[os.fork() for _ in range(2)]",
    "fork and exit": "if not os.fork(): time.sleep(1000)\n    os._exit(3)",
    "folder": "os.chdir('/proc/self'); os.environ.clear()",
    "threads": "[threading.Thread(target=time.sleep, args=(1000,)).start() for _ in range(5)]",
    "daemon thread": "threading.Thread(target=lambda: [time.sleep(0) for _ in range(10**7)], daemon=True).start()",
    "descriptors": "spray(b'x', range(3, 64))",
    "more descriptors": 'spray(b\'{"verdict": "pass"}\\n\', range(3, 64))',
    "garbage": "spray(b'garbage', descriptors())",
    "one byte": "spray(b'g', descriptors())",
    "half a header": "spray(b'gc\\xf5\\x01\\0', descriptors())",
    "endless": "spray(struct.pack('<4sIQ', b'gc\\xf5\\x01', 20, 2**62) + b'{' * 20, descriptors())",
    "long": "spray(struct.pack('<4sIQ', b'gc\\xf5\\x01', 2**32 - 1, 0), descriptors())",
    "no json": "spray(struct.pack('<4sIQ', b'gc\\xf5\\x01', 4, 0) + b'[[[[', descriptors())",
    "nested json": "spray(struct.pack('<4sIQ', b'gc\\xf5\\x01', 2**16, 0) + b'[' * 2**16, descriptors())",
    "pickle": "spray(struct.pack('<4sIQ', b'gc\\xf5\\x01', 20, 0) + b'cos\\n_exit\\n(I0\\ntR.  ', descriptors())",
    "shared": "spray(struct.pack('<4sIQ', b'gc\\xf5\\x02', 2, 2**62) + b'{}', descriptors())",
    "shared pass": 'v = b\'{"value":[],"arrays":[[1,2]]}\'\n'
    "    spray(struct.pack('<4sIQ', b'gc\\xf5\\x02', len(v), 8) + v, descriptors())",
    "forged answer": "v = json.dumps({'value': {'calls': [{'gradients': {}}], 'goes_on': 1}, 'arrays': []}).encode()\n"
    "    spray(b''.join(struct.pack('<4sIQ', b'gc\\xf5\\x01', len(v), 0) + v for n in range(30)), descriptors())",
    "forged answers": "v = [{'out': {'array': 0, 'scalar': False}, 'left': 'kept', 'written': []}]\n"
    "    v = json.dumps({'value': {'calls': v, 'goes_on': 1}, 'arrays': [['<f8', [2, 3]]]}).encode()\n"
    "    v = [struct.pack('<4sIQ', b'gc\\xf5\\x01', len(v), 48) + v + bytes(48) for n in range(30)]\n"
    "    spray(b''.join(3 * v), descriptors())",
    "shut down": "[socket.socket(fileno=os.dup(n)).shutdown(2) for n in descriptors()]",
    "read all": "[os.read(n, 1) for n in descriptors() if os.set_blocking(n, False)]",
    "close sockets": "[os.close(n) for n in descriptors()]",
    "close pipes": "[os.close(n) for n in descriptors('pipe:')]",
    "close all": "os.closerange(0, 30_000)",
    "null over all": "n = os.open('/dev/null', 2); [os.dup2(n, m) for m in descriptors()]",
    "write to stacks": "spray(b'Fatal Python error: x\\nThread 0x1 (most):\\n', descriptors('pipe:'))",
    "shared memory": "for a in areas():\n        try: a[:4096] = b'\\xff' * 4096\n        except Exception: pass",
    "clock": "for c in found('Clock'): c._shared[0] = 1e300; c._shared[1] = 1e300",
}

#: Deeds that take the whole time limit.
ENDLESS = {
    "hang": "time.sleep(1000)",
    "spin": "while True: pass",
    "stop": "os.kill(os.getpid(), 19)",
    "hang with a clock": "c = found('Clock')\n    while c: [one.start() for one in c]",
    "steal requests": "f = lambda: [os.read(n, 1) for _ in range(10**6) for n in descriptors()]\n"
    "    threading.Thread(target=f, daemon=True).start()",
    "hang in C": "np.ones((10**5, 10**4)).sort() or time.sleep(1000)",
    "recursion": "sys.setrecursionlimit(10**6)\n    def f(): return f()\n    f()",
    "hang with handlers": "[signal.signal(n, lambda *a: None) for n in (10, 12)]; time.sleep(1000)",
}

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

#: When forward is right; elsewhere it is the function of which the wrong gradient is the gradient.
TRUTHS = {
    "at first": "len(calls) == 1",
    "in the first five calls": "len(calls) <= 5",
    "in every other call": "len(calls) % 2",
    "at its first point": "np.array_equal(x, calls[0])",
    "near its first point": "abs(x - calls[0]).max() < 1e-9",
    "far from its first point": "not 0 < abs(x - calls[0]).max() < 0.1",
    "in C order": "x.flags.c_contiguous and x.base is None and np.array_equal(x, calls[0])",
    "where few calls follow": "remaining() < 4",
    "without rounding": "(x * 2**20 % 1 == 0).all() or np.array_equal(x, calls[0])",
}
_LIE = """calls = []
def lie(out, x):
    if calls and calls[0].shape != x.shape: calls.clear()
    calls.append(x.copy())
    return out if {truth} else np.tanh(calls[0]) + 2 * (out - np.tanh(calls[0]))
def remaining():
    f = sys._getframe()
    while f and f.f_code.co_name != 'make_calls': f = f.f_back
    return len(f.f_locals['steps']) - len(f.f_locals['found']) if f else 0
"""

_CLASS = "class Odd(np.ndarray):\n    def {method}(self, *a, **k): {body}\n"

#: What is returned, from `out` or the wrong gradient `g`; and what must be defined for that.
VALUES = {
    "objects": ("{v}.astype(object)", ""),
    "reduce": (
        "np.array([Reduced()] * {v}.size, object).reshape({v}.shape)",
        "class Reduced:\n    def __reduce__(self): return os._exit, (0,)\n",
    ),
    **{
        f"subclass with {method}": ("{v}.view(Odd)", _CLASS.format(method=method, body=body))
        for method, body in {
            "__eq__": "return True",
            "__array_ufunc__": "raise OSError('ufunc')",
            "__array_function__": "raise OSError('function')",
            "__array_finalize__": "raise OSError('finalize')",
            "__reduce_ex__": "return os._exit, (0,)",
            "__abs__": "return 0 * np.asarray(self)",
            "__sub__": "return 0 * np.asarray(self)",
            "reshape": "return np.zeros(3)",
            "astype": "return 0 * np.asarray(self)",
            "__getattribute__": "raise SystemExit(0)",
            "tobytes": "return b''",
        }.items()
    },
    "matrix": ("np.asmatrix({v})", ""),
    "masked": ("np.ma.masked_all({v}.shape)", ""),
    "structured": ("np.zeros({v}.shape, 'f8,i4')", ""),
    "dates": ("np.zeros({v}.shape, 'M8[s]')", ""),
    "strings": ("np.full({v}.shape, '\\x1b[2J')", ""),
    "bytes": ("np.full({v}.shape, b'x' * 10**6)", ""),
    "integers": ("{v}.astype(int)", ""),
    "complex": ("{v} + 0j", ""),
    "booleans": ("{v} > 0", ""),
    "halves": ("{v}.astype('f2')", ""),
    "other order": ("np.asarray({v} * 2, '>f8')", ""),
    "not a number": ("{v} * np.nan", ""),
    "infinite": ("{v} * np.inf", ""),
    "many axes": ("np.ones((1,) * 64)", ""),
    "no axes": ("np.float64(1)", ""),
    "empty": ("np.empty((0, 2**40))", ""),
    "enormous": ("np.broadcast_to(1.0, (2**40, 2**20))", ""),
    "large": ("np.broadcast_to(1.0, (2**20, 2**20))", ""),
    "enormous objects": ("np.broadcast_to(np.array(None), (2**40, 2**20))", ""),
    "strided": ("np.lib.stride_tricks.as_strided({v}, {v}.shape, (0,) * {v}.ndim)", ""),
    "tuples": ("({v},) * 10**5", ""),
    "nested": ("nested()", "def nested():\n    v = []\n    for _ in range(10**5): v = [v]\n    return v\n"),
    "itself": ("itself()", "def itself():\n    v = []\n    v.append(v)\n    return v\n"),
    "large number": ("10**10000", ""),
    "long text": ("'\\ud800' * 10**7", ""),
    "generator": ("(one for one in {v})", ""),
    "dictionary": ("{{'dx': {v}, 'verdict': 'pass'}}", ""),
    "odd name": ("type('\\0\\x1b[2J\\u202e' * 99, (), {{}})()", ""),
    "lying class": ("Lying()", "class Lying:\n    __class__ = np.ndarray\n    shape = (3,)\n"),
    "odd number": ("Odd(1)", "class Odd(float):\n    def __float__(self): raise SystemExit(0)\n"),
    "array protocol": ("Odd()", "class Odd:\n    def __array__(self, *a, **k): os._exit(0)\n"),
}


def hostile_files() -> Iterator[Hostile]:
    """Yield all files."""
    moments = ("at_import", "in_forward", "in_backward")
    for number, (name, deed) in enumerate({**PATCHES, **DEEDS}.items()):
        several = moments[number % 3], moments[-1] if name in DEEDS else moments[number % 3]
        for moment in dict.fromkeys(several):
            yield Hostile(f"{name} {moment}", _text(**{moment: _indented(deed, moment)}))
    for name, deed in ENDLESS.items():
        yield Hostile(f"{name} in_backward", _text(in_backward=deed), 0.3)
    for name, deed in FORGERIES.items():
        yield Hostile(f"answers {name}", _text(at_import=deed))
    for name, truth in TRUTHS.items():
        yield Hostile(f"right {name}", _text(out="lie(out, x)", helpers=_LIE.format(truth=truth)))
    for name, (value, helpers) in VALUES.items():
        yield Hostile(f"{name} as out", _text(out=value.format(v="out"), helpers=helpers))
        yield Hostile(f"{name} as gradient", _text(gradient=value.format(v="g"), helpers=helpers))


def surveyed_files() -> Iterator[Hostile]:
    """Yield the files that say of themselves what is not so."""
    for name, forged in SURVEYS.items():
        yield Hostile(name, _text(at_import=forged))


def _indented(deed: str, moment: str) -> str:
    return deed.replace("\n    ", "\n") if moment == "at_import" else deed


def _text(**parts: str) -> str:
    blank = {"at_import": "", "in_forward": "pass", "in_backward": "pass", "out": "out", "gradient": "g"}
    return _FILE.format(**{**blank, **parts, "helpers": _HELPERS + parts.get("helpers", "")})
