"""Convolutions: of images, of sequences, transposed, depthwise."""
