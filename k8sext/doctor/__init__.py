"""The main job: what to look at, from where, and what is made of what was seen."""
