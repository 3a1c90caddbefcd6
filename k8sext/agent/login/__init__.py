"""Logins: where they come from, where they may go, and how they are proved."""
