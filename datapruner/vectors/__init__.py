"""Embeddings: where they are read from, how texts become them, how they are clustered and searched.

``store`` reads an (n, d) matrix block by block, ``content`` hashes and normalises rows, ``kmeans``
fits and assigns centroids, ``neighbours`` finds near rows, ``embed`` turns texts into vectors with
one of ``sentence``, ``offline`` or the caller's own model, and ``cache`` remembers what was
embedded.

Nothing is imported here: every heavy library is loaded by the function that needs it.
"""
