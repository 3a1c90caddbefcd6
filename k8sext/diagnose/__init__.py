"""From observations to diagnoses: pure functions and the texts behind every code."""
