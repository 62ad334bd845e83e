"""The acoustic model and its plan of layer sizes."""
