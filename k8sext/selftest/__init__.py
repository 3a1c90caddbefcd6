"""Broken and healthy servers on loopback, and the proof that every verdict on them is right."""
