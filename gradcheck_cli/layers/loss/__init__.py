"""Losses: functions that return a number and its gradients."""
