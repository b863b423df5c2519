"""The dataset pruner: rows of a training corpus."""
