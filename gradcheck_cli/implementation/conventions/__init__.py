"""HOW somebody's code is called: one file a convention, in the order in which they are preferred.

`pair` (two functions and a dictionary), `functions` (two functions, by the names of their arguments), `classes`, and
`adapter` for everything else. Each lists its *readings*, the ways in which the code may be meant, the likeliest first;
`trial` takes the first that reproduces the layer's reference. `loss` is for one function, and `gradient` for what has
no reference. None of them knows a layer but by its vocabulary.
"""
