"""Frozen data that everything else passes on. POD-SAFE: standard library only."""
