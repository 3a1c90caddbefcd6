"""The table of codes: how a stage ended, who is to blame, what is said and what puts it right."""
