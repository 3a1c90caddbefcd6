"""The plug-ins that tell: one file per format. Installed as k8sext.reports."""
