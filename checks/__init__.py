"""The plug-ins that look. Installed as k8sext.checks; found by k8sext.registry."""
