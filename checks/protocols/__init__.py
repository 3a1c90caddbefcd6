"""Wire probes: one file for each middleware, or a folder with `check.py` where it has outgrown one.

POD-SAFE: standard library, k8sext.model, k8sext.agent.
"""
