"""What layers are made of: cases, axes of arrays, and the problem, coupling and faults that follow from them."""
