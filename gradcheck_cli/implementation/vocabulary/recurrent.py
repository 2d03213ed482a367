"""How people name, order and pack the weights of recurrent layers.

The layer has x Wx + h Wh + b with blocks of columns, one for each gate. Others have a matrix for each gate, or one for
[h; x] or [x; h], maybe with the bias as a row, and two biases; each under several names, and with samples as rows or
columns, steps first or last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache

from gradcheck_cli.implementation.vocabulary.geometry import SIZES, number, one_of
from gradcheck_cli.implementation.vocabulary.vocabulary import (
    Argument,
    Arrangement,
    Packing,
    Part,
    Sizes,
    Vocabulary,
    word,
    words,
)

#: What gates are called, in the layer's own order.
_LSTM = {
    "i": "i it in input u update",
    "f": "f ft forget",
    "o": "o ot out output",
    "g": "g gt c ct cc cct cell candidate cand {c,g}{tilde,hat,bar} a z",
}
_GRU = {
    "r": "r rt reset",
    "z": "z zt u ut update",
    "n": "n nt h ht hh c ct candidate cand {c,g,h,n}{tilde,hat,bar,cand} g _",
}
_ONE = {"": ""}

#: By style, what the matrix for x is called, the one for h, and the biases if there are two. `*` is the gate.
_STYLES = (
    ("wx* w*x w*i wi* wxh* w*xh w*in", "wh* w*h w*a wa* whh* w*hh", "bx* b*x bi* b*i", "bh* b*h"),
    ("w*", "u*", "bw* b*i bi* bx* b*x", "bu* b*h bh*"),
    ("u*", "w*", "bu* b*i bi* bx* b*x", "bw* b*h bh*"),
)
#: More names in the first style, where there are no gates, or one matrix has them all.
_WHOLE = (
    "wax waxh wih weightih weightx whx win i2h kernel wi weightsih",
    "waa whh weighthh weighth rec{urrent,}kernel wrec h2h wr weightshh",
    "bih biasih bx bxh",
    "bhh biashh bh",
)
_STACKED = "w* *w weight{,s}* w*h w*x wh* wx* w*{h,x,a}{h,x,a} w*{lstm,gru,rnn}"
_BIAS = "b* *b bias{,es}*"
_BIAS_WHOLE = "bh ba bhh bx"

_STATES = {
    "prev_h": "{prev,last,old}h h{prev,last,old,pre,p,in,0,} h{prev,}t a{prev,prevt,0}",
    "prev_c": "{prev,last,old}c c{prev,last,old,pre,p,in,0,} c{prev,}t cell{,state,prev,in} memory{,prev} {,prev}mem",
}
_MORE_STATES = {
    "prev_h": "hidden{,state,prev,in} state{,prev} {prev,init,initial}{state,hidden,s} s{prev,} ht{minus,m,}1",
    "prev_c": "{prev,init,initial}{cell,memory} ct{minus,}1 ctm1",
}
_X = "x xt xs x{in,seq,t} input{,s} inp data hprevl"
_OUTPUTS = "h{next,t,new,out} {next,new}h a{next} h out output"


def _beside(names: str, value: Callable[[Sizes], object]) -> Argument:
    return Argument(names=words(names), forms={"": value})


_UNITS: Mapping[str, Argument] = {
    "D": SIZES["D"]._replace(
        names=words(
            "D dim {n,num,in,input}features {in,input}{size,dim,shape,s,ch} nin ninput{,s} nx wordvecdim inputd d "
            "vocab{,size}"
        ),
    ),
    "H": number(
        "H",
        "H hidden{,size,dim,units,d,s} {n,num}hidden {n,num}units units hid nh na hdim nhid h dimhidden",
        shapes=True,
    ),
    "N": number("N", "batch{,size} nbatch"),
    "T": _beside("T timesteps seqlen{,gth} sequencelength steps nsteps tx", lambda sizes: sizes.get("T", 1)),
    "O": number("H", "output{,s,size,dim,features} {n,num}{output,outputs,classes} ny nout outdim"),
    "layers": _beside("{num,n}layers layers", lambda _: 1),
    "bidirectional": _beside("bidirectional bidir stateful", lambda _: False),
    "sequences": _beside("returnsequence{s,} sequences", lambda _: True),
}
_RESETS: Mapping[str, Argument] = {
    "reset": one_of(
        "reset", {"before": "the reset gate before the product", "after": "the reset gate after the product"}, "reset"
    ),
    "update": one_of(
        "update", {"keep": "z as the share that is kept", "replace": "z as the share that is new"}, "update"
    ),
}


def _names(patterns: str, gate: str) -> tuple[str, ...]:
    """Write out names of an array of a gate; the gate "_" is one that names do not say."""
    whole = (pattern.replace("*", said) for said in words(gate) or ("",) for pattern in patterns.split())
    return tuple(dict.fromkeys(word(name) for name in words(" ".join(whole))))


def _weights(gates: Mapping[str, str], *, apart: bool) -> Iterator[tuple[str, dict[str, Part]]]:
    """Yield how weights may be divided: by title, the arrays of the code."""
    whole = [("", "", tuple(range(len(gates))))]
    each = [(f"[{letter}]", word, (k,)) for k, (letter, word) in enumerate(gates.items())] if apart else whole
    by_gate = ", a matrix for each gate" if apart else ""
    firsts = [1.0 if letter == "n" else 0.5 for letter in gates]  # the second bias of n is not b
    seconds = [1 - share for share in firsts]

    def parts(*families: tuple[str, str, str, Sequence[float]]) -> dict[str, Part]:
        """Return the arrays of families: what they are called here, what is stacked in them, their names and shares."""
        return {
            f"{key}{at}": Part(
                _names(patterns, gate), (*stacked.split(),), blocks, tuple(shares[k] for k in blocks if shares)
            )
            for key, stacked, patterns, shares in families
            for at, gate, blocks in each
        }

    bias = "b", "b", _BIAS if apart else f"{_BIAS} {_BIAS_WHOLE}", ()
    for place, style in enumerate(_STYLES):
        more = ("",) * 4 if apart or place else _WHOLE
        x, h, first, second = (f"{usual} {other}" for usual, other in zip(style, more, strict=True))
        matrices = ("Wx", "Wx", x, ()), ("Wh", "Wh", h, ())
        yield by_gate, parts(*matrices, bias)
        yield f"{by_gate}, two biases", parts(*matrices, ("bx", "b", first, firsts), ("bh", "b", second, seconds))
    for stacked in ("Wh Wx", "Wx Wh", "b Wx Wh", "Wx Wh b", "b Wh Wx", "Wh Wx b"):
        rows = ["1" if one == "b" else one[1:] for one in stacked.split()]
        biases = [] if "1" in rows else [bias]
        yield f"{by_gate}, W = [{'; '.join(rows)}]", parts(("W", stacked, _STACKED, ()), *biases)


def _data(states: tuple[str, ...], *, sequence: bool) -> dict[str, Part]:
    """Return x and the states; of a sequence, c0 is zero."""
    names = {state: words(f"{_STATES[state]} {_MORE_STATES[state]}") for state in states}
    if not sequence:
        return {"x": Part(words(_X), ("x",)), **{state: Part(called, (state,)) for state, called in names.items()}}
    found = {"x": Part(words(_X), ("x",)), "h0": Part(names["prev_h"], ("h0",))}
    return {**found, "c0": Part(names["prev_c"], ("h0",), shares=(0.0,))} if len(states) > 1 else found


#: The rows of the layer's own arrays, in a matrix of which they are all.
_ROWS = {"Wx": "D ", "Wh": "H' ", "b": ""}


def _axes(parts: Mapping[str, Part], outputs: tuple[str, ...], *, sequence: bool, count: int) -> dict[str, str]:
    """Say the axes of each array; a matrix has the rows that its parts have, and the columns of its gates."""
    axes = {}
    for name, part in parts.items():
        if not part.blocks:
            axes[name] = ("N T D" if sequence else "N D") if name == "x" else "N H"
            continue
        columns = "H" if len(part.blocks) == 1 else f"{count}H"
        rows = _ROWS[part.stacked[0]] if len(part.stacked) == 1 else "R "
        axes[name] = rows + columns
    return {**axes, **dict.fromkeys(outputs, "N T H" if sequence else "N H")}


#: How x and the states lie in a sequence, and how in a step.
_ORDERS = (
    *(("", "N T *"), ("steps first", "T N *"), ("samples as columns", "* N T")),
    *(("steps first and samples as columns", "T * N"), ("", "N *"), ("samples as columns", "* N")),
)


def _arrangements(axes: Mapping[str, str], *, sequence: bool) -> Iterator[Arrangement]:
    """Yield how arrays may lie: samples as rows or columns, weights transposed, a bias as a row, steps first."""
    matrices = {name: order for name, order in axes.items() if "N" not in order and " " in order}
    biases = {name: order for name, order in axes.items() if " " not in order}
    data = {name: order for name, order in axes.items() if "N" in order}
    transposed = {name: " ".join(reversed(order.split())) for name, order in matrices.items()}
    row = {name: f"1 {order}" for name, order in biases.items()}
    column = {name: f"{order} 1" for name, order in biases.items()}
    for title, order in _ORDERS[:4] if sequence else _ORDERS[4:]:
        columns = "columns" in title
        flat = "* N" if columns else "N *"
        placed = {
            name: (order if "T" in usual else flat).replace("*", usual.split()[-1]) for name, usual in data.items()
        }
        for turned in (columns, not columns):
            for bias in [column] if columns else [{}, row] if biases else [{}]:
                titles = [title, *(["weights transposed"] if turned != columns else [])]
                titles += [f"biases (1, {next(iter(biases.values()))})"] if bias is row else []
                moved = {**placed, **(transposed if turned else {}), **bias}
                yield Arrangement(", ".join(filter(None, titles)), moved)


def _told_apart(parts: Mapping[str, Part]) -> dict[str, Part]:
    """Leave out names that several arrays may have."""
    counts = Counter(name for part in parts.values() for name in part.names)
    return {key: part._replace(names=tuple(n for n in part.names if counts[n] == 1)) for key, part in parts.items()}


_ONE_STEP = {"h0": ("x", 1, "it takes no h0, so in one step nothing depends on Wh")}


def _packings(
    gates: Mapping[str, str], states: tuple[str, ...], outputs: tuple[str, ...], *, sequence: bool
) -> Iterator[Packing]:
    data = _data(states, sequence=sequence)
    for apart in (False, True) if len(gates) > 1 else (False,):
        for title, weights in _weights(gates, apart=apart):
            parts = _told_apart({**data, **weights})
            axes = _axes(parts, outputs, sequence=sequence, count=len(gates))
            yield Packing(
                title=title.removeprefix(", "),
                parts=parts,
                optional=(
                    *(("h0", "c0") if sequence else ()),
                    *(n for n, part in parts.items() if part.stacked == ("b",) and not part.shares),
                ),
                axes=axes,
                arrangements=tuple(_arrangements(axes, sequence=sequence)),
                longer=_ONE_STEP if sequence else {},
                letters="" if apart or len(gates) == 1 else "".join(gates),
            )


def _recurrent(
    names: str, others: str, gates: Mapping[str, str], states: str, *, sibling: str, **more: Argument
) -> Vocabulary:
    """Return the words for a recurrent layer."""
    sequence = "step" not in names
    outputs = ("h",) if sequence else tuple(f"next_{state[-1]}" for state in states.split())
    usual = Vocabulary(
        names=words(names),
        others=words(others),
        siblings=(sibling,) if sibling else (),
        inputs={"x": ("x",), "b": words("b bias{,es}")},
        arguments={**_UNITS, **more},
        spares={"wy": 2, "wya": 2, "why": 2, "v": 2, "wout": 2, "by": 0, "bya": 0, "bout": 0},
        output_names=words(_OUTPUTS),
    )
    packings = cache(lambda: tuple(_packings(gates, tuple(states.split()), outputs, sequence=sequence)))
    steps_first = Arrangement("steps first", {"x": "T N D", "h0": "N H", "h": "T N H"})
    return replace(usual, packings=packings, arrangements=(*usual.arrangements, *([steps_first] if sequence else [])))


RECURRENT = {
    "rnn-step": _recurrent("rnn{_,}{step,cell}", "lstm gru", _ONE, "prev_h", sibling=""),
    "rnn": _recurrent("rnn", "step cell lstm gru", _ONE, "prev_h", sibling="rnn-step"),
    "lstm-step": _recurrent("lstm{_,}{step,cell}", "gru", _LSTM, "prev_h prev_c", sibling=""),
    "lstm": _recurrent("lstm", "step cell gru", _LSTM, "prev_h prev_c", sibling="lstm-step"),
    # PyTorch has r, z, n, and the reset gate after the product; Keras and ONNX z, r, h.
    "gru-step": _recurrent("gru{_,}{step,cell}", "lstm mgru", _GRU, "prev_h", sibling="", **_RESETS),
    "gru": _recurrent("gru", "step cell lstm mgru", _GRU, "prev_h", sibling="gru-step", **_RESETS),
}
