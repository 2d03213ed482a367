"""Derivatives of a black box: functions and arrays, nothing of layers or implementations.

`derivative.differentiate` estimates the derivative in every element of an input. It draws on a `Scheme` of differences
(`dense`, `colored`), on one large step where the function is affine (`affine`), on extrapolation where it is not
(`richardson`), and verifies what colouring assumes (`leak`). `projected.project` checks a gradient that is too large
for that along random directions.
"""
