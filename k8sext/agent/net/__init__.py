"""Bytes and names: connections, DNS, and what a port that answers otherwise may be."""
