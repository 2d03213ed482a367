"""Ways to check a hand-written convolution's gradients, side by side: time, memory, evaluations, faults caught.

    pip install -e '.[peers]'
    python -m benchmarks.peers
    python -m benchmarks.peers --case 3 --tool "gradcheck slow"

Run from the repository's root. Every tool checks the same two NumPy functions on the same arrays, float64, in a
process of its own; one that is not installed, runs out of memory or of time, or dies is shown as that.
"""
