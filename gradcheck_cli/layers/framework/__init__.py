"""What a layer is: its case, the axes of its arrays, and the problem and the coupling that follow from them."""
