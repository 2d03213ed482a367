"""Why a gradient is wrong: hypotheses that are said only if they fit what was returned to roundoff."""
