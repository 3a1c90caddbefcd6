"""Runs the rules of checks/rules on objects, live or from files."""
