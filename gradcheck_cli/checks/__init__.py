"""EVIDENCE to verdict: what an implementation returned against what it should have returned."""
