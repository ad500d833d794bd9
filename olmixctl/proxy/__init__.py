"""Proxy runs: a small language model trained on a mixture and scored, the only torch code of the product.

Importing this package, `config`, `tuning`, `data` or `train` loads no torch; calling `train.train` does.
"""
