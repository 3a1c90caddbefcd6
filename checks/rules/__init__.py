"""Lint rules over objects, one file per code; no rule opens a connection."""
