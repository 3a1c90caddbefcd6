"""What a bridge is, read off objects: pure."""
