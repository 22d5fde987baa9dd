"""The border to the kernel and to helper programs; knows nothing of what stands above it."""
