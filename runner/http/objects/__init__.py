"""Object stores: addresses, the library and its errors once; `reader.py` is for data, `bucket.py` for a state."""
