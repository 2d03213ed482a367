"""What hostile files return."""

from __future__ import annotations

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
LIE = """calls = []
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
    "memory view": ("memoryview(np.ascontiguousarray({v}))", ""),
    "array at no address": (
        "type('A', (), dict(__array_interface__=dict(data=(8, False), shape=x.shape, typestr='<f8', version=3)))()",
        "",
    ),
    "file that is cut off": (
        "cut(__file__ + '.map')",
        "def cut(path):\n    m = np.memmap(path, 'f8', 'w+', 0, (3,)); os.truncate(path, 0); return m\n",
    ),
    "strides to nowhere": ("np.lib.stride_tricks.as_strided({v}, strides=(2**40,) * x.ndim)", ""),
    "strings of any length": ("np.full({v}.shape, 'x', np.dtypes.StringDType())", ""),
    "bits of no number": ("np.frombuffer(b'\\1' * 16 * {v}.size, np.longdouble).reshape({v}.shape)", ""),
    "signalling NaN": ("np.full({v}.shape, 0x7FF0000000000001, 'u8').view('f8')", ""),
    "denormal": ("{v} * 0 + 5e-324", ""),
    "coroutine": ("f({v})", "async def f(v): return v\n"),
    "large integers": ("[10**400] * {v}.size", ""),
    "lying attributes": (
        "{v}.view(Odd)",
        "class Odd(np.ndarray):\n    shape = property(lambda s: (2, 3))\n    size, nbytes, ndim = 10**9, -5, 70\n",
    ),
    "moved by a thread": (
        "moving(np.array({v}))",
        "def moving(v):\n    threading.Thread(target=lambda: [v.fill(n) for n in range(10**4)]).start(); return v\n",
    ),
    "array protocol": ("Odd()", "class Odd:\n    def __array__(self, *a, **k): os._exit(0)\n"),
}
