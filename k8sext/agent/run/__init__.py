"""Carries out a plan: every target becomes an observation."""
