"""The demo model: a small InstantID of our own, trained on portraits that we draw."""
