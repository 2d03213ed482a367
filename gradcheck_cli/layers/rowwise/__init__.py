"""Softmax and its logarithm: functions of each row of scores by itself."""
