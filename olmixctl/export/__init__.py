"""The lock in a trainer's own syntax: one module a trainer, with a check that reads it back as the trainer does."""
