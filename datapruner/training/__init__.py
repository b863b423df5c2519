"""Training of the learnt scorers; nothing here is imported unless a model is trained."""
