"""Wire formats that several checks share."""
