"""What people call the parts of each layer in their own code."""
