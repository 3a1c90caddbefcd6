"""k8sext: finds, checks and explains the bridges from Kubernetes to what runs outside it.

Imports nothing: this file travels into the probe pod.
"""

__version__ = "0.1.0"
