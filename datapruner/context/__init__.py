"""The context pruner: chunks into sentences, sentences into a budget, and back into one text."""
