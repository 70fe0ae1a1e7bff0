"""The demo model: a small InstantID, trained on drawn portraits."""
