"""HOW somebody's code is called, as one mechanism.

`signature` and `slots` say what an argument stands for, `passes`, `classes` and `own_function` what those of whole
passes do; `arguments`, `layout`, `context`, `attributes` and `returned` move values there and back. A `reading` puts
them together, `readings` lists those that code may have, the likeliest first, and `trial` takes the first that
reproduces the layer's reference. None of them knows a layer but by its vocabulary.
"""
