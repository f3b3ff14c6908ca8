"""How a sharp picture becomes a low-resolution one: kernels, noise, JPEG, and the pipeline that joins them."""
