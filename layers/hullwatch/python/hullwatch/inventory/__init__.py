"""What an image contains: packages by collector, layer by layer, then after the overlay."""
