"""How to call `one_image.py`, for `convcheck one_image.py --adapter adapter.py:adapt`: `13 cases passed`."""

import numpy as np


def adapt(module):
    """Return forward(x, w, b, conv_param) -> (out, cache) and backward(dout, cache) -> (dx, dw, db)."""

    def forward(x, w, b, conv_param):
        filters = [module.Filters(w.transpose(0, 2, 3, 1), b, conv_param["stride"], conv_param["pad"]) for _ in x]
        out = [one.look_at(image.transpose(1, 2, 0)) for one, image in zip(filters, x)]
        return np.stack(out).transpose(0, 3, 1, 2), filters

    def backward(dout, cache):
        dx, dw, db = zip(*(one.learn_from(blame.transpose(1, 2, 0)) for one, blame in zip(cache, dout)))
        return np.stack(dx).transpose(0, 3, 1, 2), sum(dw).transpose(0, 3, 1, 2), sum(db)

    return forward, backward
