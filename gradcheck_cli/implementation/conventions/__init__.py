"""HOW somebody's code is called, as one mechanism.

`both_passes` finds a forward and a backward pass in what has both. `slots` says what an argument may stand for;
`passes`, `by_name`, `classes`, `unknown_function` and `unknown_class` say what those of whole passes do. `arguments`,
`layout`, `containers`, `attributes` and `returned` move values there and back. A `reading` puts them together,
`readings` lists those that code may have, the likeliest first, and `trial` takes the first that reproduces the layer's
reference, or whose gradients are the slopes of its own forward pass. None of them knows a layer but by its vocabulary.
"""
