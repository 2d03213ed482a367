"""A convolution like no other: one image at a time, channels last, under names of its own.

No convention fits it, so `adapter.py` beside it says how to call it. From this folder,

    convcheck one_image.py --adapter adapter.py:adapt

says `13 cases passed`.
"""

import numpy as np


class Filters:
    """Filters w (F, HH, WW, C), biases b (F,), for images (H, W, C)."""

    def __init__(self, w, b, step, margin):
        self.w, self.b, self.step, self.margin = w, b, step, margin

    def look_at(self, image):
        """Return the answer of each filter at each place, (H', W', F)."""
        m, s = self.margin, self.step
        self.image = np.pad(image, ((m, m), (m, m), (0, 0)))
        rows, columns = ((n - k) // s + 1 for n, k in zip(self.image.shape, self.w.shape[1:3]))
        return np.array([[self._answers(self._window(i, j)) for j in range(columns)] for i in range(rows)])

    def learn_from(self, blame):
        """Return the gradients of image, w and b for the cotangent `blame` of the answers."""
        image, w = np.zeros_like(self.image), np.zeros_like(self.w)
        for i, j in np.ndindex(blame.shape[:2]):
            window = self._window(i, j)
            image[window] += np.tensordot(blame[i, j], self.w, 1)
            w += np.multiply.outer(blame[i, j], self.image[window])
        m = self.margin
        return image[m : len(image) - m, m : image.shape[1] - m], w, blame.sum(axis=(0, 1))

    def _window(self, i, j):
        (HH, WW), s = self.w.shape[1:3], self.step
        return slice(i * s, i * s + HH), slice(j * s, j * s + WW)

    def _answers(self, window):
        return np.tensordot(self.w, self.image[window], 3) + self.b
