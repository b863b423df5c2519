"""The scoring and budget core: pure NumPy; knows nothing of text, torch, FAISS or files."""
