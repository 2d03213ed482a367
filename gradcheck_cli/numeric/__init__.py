"""DERIVATIVES of a black box: functions and arrays, nothing of layers or implementations."""
