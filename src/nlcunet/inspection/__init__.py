"""What a picture says of itself before it is enlarged: blur, noise, compression, and which model suits it."""
