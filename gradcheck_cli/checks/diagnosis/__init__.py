"""Why a gradient is wrong: hypotheses, reported only if they fit what was returned to roundoff."""
