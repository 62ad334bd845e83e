"""Pure functions of tensors: Mellin correlation and its output lengths."""
